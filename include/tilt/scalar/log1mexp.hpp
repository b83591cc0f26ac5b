// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// log(1 − eˣ) for x ≤ 0, the log-probability of "not" from that of "so": log(−expm1 x) above −log 2, log1p(−eˣ) below it (Mächler
/// 2012, "Accurately computing log(1 − exp(−|a|))", eq. 7). −∞ at 0, NaN above. Slope −1/(e^−x − 1).
template <class T> TILT_HD T log1mexp(const T& x) {
  using std::exp, std::expm1, std::log, std::log1p;
  return select(x > constant<T>(-0.6931471805599453), log(-expm1(x)), log1p(-exp(x)));
}

}  // namespace tilt
