// SPDX-License-Identifier: Apache-2.0
// Everything that runs on Eigen, instantiated here and nowhere else.
#include <tilt/backend/eigen.hpp>

#include "backends.hpp"
#include "session_on.hpp"

namespace tilt::program {

std::unique_ptr<session> open_eigen(const compute& machine, const model_folder& folder) {
  return open_as<eigen_backend>(machine.dtype, folder, static_cast<int>(machine.threads));
}

std::string describe_eigen() {
  return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
         std::to_string(EIGEN_MINOR_VERSION) + ", packets of " + std::to_string(eigen_packet<float>::size) + " floats, threads";
}

}  // namespace tilt::program
