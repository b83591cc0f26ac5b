// SPDX-License-Identifier: Apache-2.0
// A body that branches on the values in a packet of xsimd's.
#include <tilt/backend/xtensor.hpp>

#include "branching_body.hpp"

int main() {
  tilt::xtensor_backend<float> backend;
  backend.map(0, relu_body{nullptr});
}
