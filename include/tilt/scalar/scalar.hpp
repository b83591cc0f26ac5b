// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <concepts>
#include <tilt/scalar/config.hpp>
#include <tilt/scalar/packet.hpp>

namespace tilt {

/// a where the condition holds, else b. No formula branches on a value in any other way: a packet answers a comparison with a mask,
/// and has a select of its own for it.
template <class T> TILT_HD constexpr T select(bool condition, const T& a, const T& b) { return condition ? a : b; }

/// A hyper-parameter as a number of type T: one rounding, no silent conversion. Types of number that need it specialise it.
template <class T> struct constant_of {
  TILT_HD static constexpr T from(double x) { return static_cast<T>(x); }
};
template <packet P> struct constant_of<P> {
  TILT_HD static constexpr P from(double x) { return P::broadcast(static_cast<typename P::scalar>(x)); }
};
template <class T> TILT_HD constexpr T constant(double x) { return constant_of<T>::from(x); }

/// a·b + c: one operation with one rounding where the build has one, two otherwise; written out wherever bits are promised, so that no
/// compiler decides. No machine has it for long double.
template <class T> TILT_HD constexpr T multiply_add(const T& a, const T& b, const T& c) { return a * b + c; }
#if defined(__FMA__) || defined(__CUDA_ARCH__) || defined(__ARM_FEATURE_FMA)
TILT_HD inline float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
TILT_HD inline double multiply_add(double a, double b, double c) { return std::fma(a, b, c); }
#endif

/// The smaller and the larger; of two that do not compare (NaN), the first.
template <class T> TILT_HD constexpr T min(const T& a, const T& b) { return select(b < a, b, a); }
template <class T> TILT_HD constexpr T max(const T& a, const T& b) { return select(a < b, b, a); }

namespace detail::functions {
using std::abs, std::erf, std::exp, std::expm1, std::log, std::log1p, std::sqrt, std::tanh;

template <class T>
concept elementary = requires(const T& a) {
  { exp(a) } -> std::same_as<T>;
  { log(a) } -> std::same_as<T>;
  { log1p(a) } -> std::same_as<T>;
  { expm1(a) } -> std::same_as<T>;
  { sqrt(a) } -> std::same_as<T>;
  { tanh(a) } -> std::same_as<T>;
  { erf(a) } -> std::same_as<T>;
  { abs(a) } -> std::same_as<T>;
};
}  // namespace detail::functions

/// What formulas are written over: float, double, long double, dual<T, N>, a packet, or anyone's real number. Nothing converts by
/// itself: constants come from constant<T>(x), choices from select on what a comparison answers, functions from std or by
/// argument-dependent lookup.
template <class T>
concept scalar_like = std::semiregular<T> && detail::functions::elementary<T> && requires(const T& a, double x) {
  { constant_of<T>::from(x) } -> std::same_as<T>;
  { a + a } -> std::same_as<T>;
  { a - a } -> std::same_as<T>;
  { a * a } -> std::same_as<T>;
  { a / a } -> std::same_as<T>;
  { -a } -> std::same_as<T>;
  { select(a < a, a, a) } -> std::same_as<T>;
  { select(a <= a, a, a) } -> std::same_as<T>;
  { select(a > a, a, a) } -> std::same_as<T>;
  { select(a >= a, a, a) } -> std::same_as<T>;
  { select(a == a, a, a) } -> std::same_as<T>;
  { multiply_add(a, a, a) } -> std::same_as<T>;
  { min(a, a) } -> std::same_as<T>;
  { max(a, a) } -> std::same_as<T>;
};

}  // namespace tilt
