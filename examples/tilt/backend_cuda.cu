// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/thrust.hpp>

#include "backend_on.hpp"

namespace tilt::program {
namespace {

const registered_backend cuda(backend_on<thrust_backend>(
    {.name = "cuda",
     .rank = 4,
     .library = "Thrust " + version_of(THRUST_MAJOR_VERSION, THRUST_MINOR_VERSION, THRUST_SUBMINOR_VERSION) + " and cuBLAS " +
                version_of(CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR, CUBLAS_VER_PATCH) + " on " + std::string(thrust_system)}));

}  // namespace
}  // namespace tilt::program
