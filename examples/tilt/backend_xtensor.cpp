// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor.hpp>

#include "backend_on.hpp"

namespace tilt::program {
namespace {

const registered_backend xtensor(
    backend_on<xtensor_backend>({.name = "xtensor",
                                 .rank = 2,
                                 .library = "xtensor " + version_of(XTENSOR_VERSION_MAJOR, XTENSOR_VERSION_MINOR, XTENSOR_VERSION_PATCH) +
                                            ", xsimd " + version_of(XSIMD_VERSION_MAJOR, XSIMD_VERSION_MINOR, XSIMD_VERSION_PATCH),
                                 .lanes = xtensor_packet<float>::size}));

}  // namespace
}  // namespace tilt::program
