// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/sigmoid.hpp>

namespace tilt {

/// x·Φ(x) with Φ(x) ≈ ½(1 + tanh(√(2/π)(x + 0.044715x³))) (Hendrycks & Gimpel 2016, arXiv 1606.08415, §2; "gelu_new" in GPT-2's
/// configuration). Computed as x·σ(2√(2/π)(x + 0.044715x³)), the same function without 1 + tanh's loss of digits below zero. Beyond
/// ±100, where σ is 0 or 1, the cube is not formed.
template <class T> TILT_HD T gelu_tanh(const T& x) {
  const T bound = constant<T>(100), above = max(x, -bound), inner = min(above, bound);
  const T factor = constant<T>(1.5957691216057308) + constant<T>(-9.96930880911092e-17);  // √(8/π), beyond double
  return above * sigmoid(inner * (factor + factor * constant<T>(0.044715) * (inner * inner)));
}

/// x·Φ(x), Φ(x) = ½(1 + erf(x/√2)) (the same paper, exact). Its error is one of rounding relative to |x|, not to the small result
/// below zero. Beyond ±100, Φ is 0 or 1.
template <class T> TILT_HD T gelu_erf(const T& x) {
  using std::erf;
  const T bound = constant<T>(100), above = max(x, -bound), inner = min(above, bound);
  const T factor = constant<T>(0.7071067811865476) + constant<T>(-4.833646656726457e-17);  // 1/√2, beyond double
  return above * (constant<T>(0.5) + constant<T>(0.5) * erf(factor * inner));
}

}  // namespace tilt
