// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/dual.hpp>

namespace tilt {

/// σ(x) = 1/(1 + e^−x), computed from e^−|x| so that nothing overflows.
template <class T> TILT_HD T sigmoid(const T& x) {
  using std::exp;
  const T zero = constant<T>(0), one = constant<T>(1);
  const T e = exp(select(x < zero, x, -x));
  return select(x < zero, e, one) / (one + e);
}

}  // namespace tilt
