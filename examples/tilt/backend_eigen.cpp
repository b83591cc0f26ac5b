// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/eigen.hpp>

#include "backend_on.hpp"

namespace tilt::program {
namespace {

const registered_backend eigen(backend_on<eigen_backend>({.name = "eigen",
                                                          .rank = 3,
                                                          .library = "Eigen " + version_of(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                                                                                           EIGEN_MINOR_VERSION),
                                                          .lanes = eigen_packet<float>::size}));

}  // namespace
}  // namespace tilt::program
