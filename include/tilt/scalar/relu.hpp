// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// max(x, 0); a NaN stays one. Slope 1 above zero, 0 at and below it.
template <class T> TILT_HD T relu(const T& x) {
  const T zero = constant<T>(0);
  return select(x <= zero, zero, x);
}

}  // namespace tilt
