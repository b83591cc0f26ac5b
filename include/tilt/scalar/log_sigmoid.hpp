// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// log σ(x) = min(x, 0) − log(1 + e^−|x|), which overflows on neither side. Slope σ(−x).
template <class T> TILT_HD T log_sigmoid(const T& x) {
  using std::abs, std::exp, std::log1p;
  const T zero = constant<T>(0);
  return select(x < zero, x, zero) - log1p(exp(-abs(x)));
}

}  // namespace tilt
