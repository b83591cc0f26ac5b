// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/scalar/config.hpp>
#include <type_traits>

namespace tilt {

/// a where the condition holds, else b. No branch on a value is written any other way: a packet answers a comparison with a mask and
/// overloads select for it.
template <class T> TILT_HD constexpr T select(bool condition, const T& a, const T& b) { return condition ? a : b; }

/// A hyper-parameter as a number of type T: one rounding, no silent conversion. Duals and packets specialise it.
template <class T> struct constant_of {
  TILT_HD static constexpr T from(double x) { return static_cast<T>(x); }
};
template <class T> TILT_HD constexpr T constant(double x) { return constant_of<T>::from(x); }

/// a·b + c, rounded once where the build has the instruction, else twice.
template <class T>
  requires std::is_floating_point_v<T>
TILT_HD inline T multiply_add(T a, T b, T c) {
#if defined(__FMA__) || defined(__CUDA_ARCH__) || defined(__ARM_FEATURE_FMA)
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

}  // namespace tilt
