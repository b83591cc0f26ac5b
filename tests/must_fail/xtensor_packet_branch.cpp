// SPDX-License-Identifier: Apache-2.0
// A body that branches on the values in a packet of xsimd's.
#include <tilt/backend/xtensor.hpp>

struct relu_body {
  float* x;
  template <class Lane> void operator()(const Lane& lane, tilt::index i) const {
    const auto value = lane.load(x, i);
#ifdef TILT_MUST_FAIL
    if (value > 0.f) lane.store(x, i, value);
#else
    lane.store(x, i, select(value > 0.f, value, decltype(value)(0.f)));
#endif
  }
};
int main() {
  tilt::xtensor_backend<float> backend;
  backend.map(0, relu_body{nullptr});
}
