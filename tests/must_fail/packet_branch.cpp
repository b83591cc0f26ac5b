// SPDX-License-Identifier: Apache-2.0
// A body that branches on the values in a packet.
#include <tilt/backend/eigen.hpp>

#include "branching_body.hpp"

int main() {
  tilt::eigen_backend<float> backend;
  backend.map(0, relu_body{nullptr});
}
