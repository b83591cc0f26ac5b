// SPDX-License-Identifier: Apache-2.0
// A sum that xtensor has not computed, where a product wants its elements.
#include <tilt/backend/xtensor.hpp>

void add(tilt::xtensor_backend<float>& backend, const xt::xtensor<float, 2>& a, const xt::xtensor<float, 2>& b, xt::xtensor<float, 2>& c) {
#ifdef TILT_MUST_FAIL
  const auto sum = a + b;
#else
  const xt::xtensor<float, 2> sum = a + b;
#endif
  backend.gemm(tilt::view_of<2>(sum), tilt::view_of<2>(a), tilt::view_of<2>(c), false);
}
