// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// σ(x) = 1/(1 + e^−x), as e/(1 + e) with e = e^−|x| below zero: nothing overflows, and neither tail is lost to rounding. Slope σ(x)σ(−x).
template <class T> TILT_HD T sigmoid(const T& x) {
  using std::abs, std::exp;
  const T one = constant<T>(1), e = exp(-abs(x));
  return select(x < constant<T>(0), e, one) / (one + e);
}

}  // namespace tilt
