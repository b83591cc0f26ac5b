// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/dual.hpp>

namespace tilt {

/// ½x(1 + tanh(√(2/π)(x + 0.044715x³))) (Hendrycks & Gimpel 2016, arXiv 1606.08415), Hugging Face's "gelu_new".
template <class T> TILT_HD T gelu_tanh(const T& x) {
  using std::tanh;
  const T inner = constant<T>(0.79788456080286535588) * (x + constant<T>(0.044715) * x * x * x);
  return constant<T>(0.5) * x * (constant<T>(1) + tanh(inner));
}

}  // namespace tilt
