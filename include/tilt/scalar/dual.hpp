// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// A value and its derivatives in N directions: forward-mode differentiation. A plain value type; N is the number of inputs that are
/// differentiated at once, T a float, double, long double, a packet, or again a dual (for second derivatives).
///
/// Comparisons compare values. Where a function has a kink (abs at 0, min and max of equals) the slope is that of the side chosen.
template <class T, int N> struct dual {
  static_assert(N >= 1);
  T value;
  T slope[N];

  TILT_HD constexpr dual() : dual(constant<T>(0)) {}
  TILT_HD constexpr dual(const T& constant_value) : value(constant_value), slope{} {
    for (T& s : slope) s = constant<T>(0);
  }
  /// The input that direction `direction` is about.
  TILT_HD static constexpr dual variable(const T& value, int direction) {
    dual d(value);
    d.slope[direction] = constant<T>(1);
    return d;
  }

  TILT_HD friend constexpr dual operator+(const dual& a, const dual& b) {
    dual f(a.value + b.value);
    for (int i = 0; i < N; ++i) f.slope[i] = a.slope[i] + b.slope[i];
    return f;
  }
  TILT_HD friend constexpr dual operator-(const dual& a, const dual& b) {
    dual f(a.value - b.value);
    for (int i = 0; i < N; ++i) f.slope[i] = a.slope[i] - b.slope[i];
    return f;
  }
  TILT_HD friend constexpr dual operator*(const dual& a, const dual& b) {
    dual f(a.value * b.value);
    for (int i = 0; i < N; ++i) f.slope[i] = a.slope[i] * b.value + a.value * b.slope[i];
    return f;
  }
  TILT_HD friend constexpr dual operator/(const dual& a, const dual& b) {
    dual f(a.value / b.value);
    for (int i = 0; i < N; ++i) f.slope[i] = (a.slope[i] - f.value * b.slope[i]) / b.value;
    return f;
  }
  TILT_HD friend constexpr dual operator-(const dual& a) {
    dual f(-a.value);
    for (int i = 0; i < N; ++i) f.slope[i] = -a.slope[i];
    return f;
  }
  TILT_HD constexpr dual& operator+=(const dual& b) { return *this = *this + b; }
  TILT_HD constexpr dual& operator-=(const dual& b) { return *this = *this - b; }
  TILT_HD constexpr dual& operator*=(const dual& b) { return *this = *this * b; }
  TILT_HD constexpr dual& operator/=(const dual& b) { return *this = *this / b; }

  TILT_HD friend constexpr auto operator<(const dual& a, const dual& b) { return a.value < b.value; }
  TILT_HD friend constexpr auto operator<=(const dual& a, const dual& b) { return a.value <= b.value; }
  TILT_HD friend constexpr auto operator>(const dual& a, const dual& b) { return a.value > b.value; }
  TILT_HD friend constexpr auto operator>=(const dual& a, const dual& b) { return a.value >= b.value; }
  TILT_HD friend constexpr auto operator==(const dual& a, const dual& b) { return a.value == b.value; }

  TILT_HD friend constexpr dual multiply_add(const dual& a, const dual& b, const dual& c) {
    dual f(multiply_add(a.value, b.value, c.value));
    for (int i = 0; i < N; ++i) f.slope[i] = multiply_add(a.slope[i], b.value, multiply_add(a.value, b.slope[i], c.slope[i]));
    return f;
  }
  TILT_HD friend constexpr dual min(const dual& a, const dual& b) { return select(b.value < a.value, b, a); }
  TILT_HD friend constexpr dual max(const dual& a, const dual& b) { return select(a.value < b.value, b, a); }
  TILT_HD friend constexpr dual abs(const dual& x) { return select(x.value < constant<T>(0), -x, x); }

  TILT_HD friend dual exp(const dual& x) {
    using std::exp;
    const T e = exp(x.value);
    return chain(e, e, x);
  }
  TILT_HD friend dual log(const dual& x) {
    using std::log;
    return chain(log(x.value), constant<T>(1) / x.value, x);
  }
  TILT_HD friend dual log1p(const dual& x) {
    using std::log1p;
    return chain(log1p(x.value), constant<T>(1) / (constant<T>(1) + x.value), x);
  }
  TILT_HD friend dual expm1(const dual& x) {
    using std::expm1;
    const T e = expm1(x.value);
    return chain(e, e + constant<T>(1), x);
  }
  TILT_HD friend dual sqrt(const dual& x) {
    using std::sqrt;
    const T root = sqrt(x.value);
    return chain(root, constant<T>(0.5) / root, x);
  }
  TILT_HD friend dual tanh(const dual& x) {
    using std::tanh;
    const T t = tanh(x.value);
    return chain(t, (constant<T>(1) - t) * (constant<T>(1) + t), x);
  }
  /// Slope (2/√π)·e^−x²; the factor is the sum of two doubles, since one is too coarse for a long double.
  TILT_HD friend dual erf(const dual& x) {
    using std::erf, std::exp;
    const T factor = constant<T>(1.1283791670955126) + constant<T>(1.533545961316588e-17);
    return chain(erf(x.value), factor * exp(-x.value * x.value), x);
  }
};

/// f(u) with value f and slope f′: what a function adds to the chain rule.
template <class T, int N> TILT_HD constexpr dual<T, N> chain(const T& value, const T& slope, const dual<T, N>& u) {
  dual<T, N> f(value);
  for (int i = 0; i < N; ++i) f.slope[i] = slope * u.slope[i];
  return f;
}

/// Lane by lane, by a mask of packets; a bool chooses whole duals, by the general select.
template <class Mask, class T, int N>
requires(!std::same_as<Mask, bool>)
TILT_HD constexpr dual<T, N> select(const Mask& mask, const dual<T, N>& a, const dual<T, N>& b) {
  dual<T, N> f(select(mask, a.value, b.value));
  for (int i = 0; i < N; ++i) f.slope[i] = select(mask, a.slope[i], b.slope[i]);
  return f;
}

template <class T, int N> struct constant_of<dual<T, N>> {
  TILT_HD static constexpr dual<T, N> from(double x) { return dual<T, N>(constant<T>(x)); }
};

/// c·x for a hyper-parameter c: constant<T>(c)·x, but that the slope of an infinite x is not 0·∞.
template <class T> TILT_HD constexpr T scaled(double c, const T& x) { return constant<T>(c) * x; }
template <class T, int N> TILT_HD constexpr dual<T, N> scaled(double c, const dual<T, N>& x) {
  return chain(scaled(c, x.value), constant<T>(c), x);
}

/// The value as a constant: nothing is differentiated through it.
template <class T> TILT_HD constexpr T detach(const T& x) { return x; }
template <class T, int N> TILT_HD constexpr dual<T, N> detach(const dual<T, N>& x) { return dual<T, N>(x.value); }

}  // namespace tilt
