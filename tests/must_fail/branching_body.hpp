// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/view.hpp>

// A body that branches on the values in a packet, where TILT_MUST_FAIL is defined.
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
