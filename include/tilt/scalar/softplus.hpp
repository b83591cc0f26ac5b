// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|) = −log σ(−x). Slope σ(x).
template <class T> TILT_HD T softplus(const T& x) {
  using std::abs, std::exp, std::log1p;
  const T zero = constant<T>(0);
  return select(x < zero, zero, x) + log1p(exp(-abs(x)));
}

}  // namespace tilt
