// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/thrust.hpp>

#include "backend_on.hpp"

namespace tilt::program {
namespace {

const registered_backend thrust(
    backend_on<thrust_backend>({.name = "thrust",
                                .rank = 1,
                                .library = "Thrust " + version_of(THRUST_MAJOR_VERSION, THRUST_MINOR_VERSION, THRUST_SUBMINOR_VERSION) +
                                           " on " + std::string(thrust_system),
                                .lanes = vector_packet<float>::size}));

}  // namespace
}  // namespace tilt::program
