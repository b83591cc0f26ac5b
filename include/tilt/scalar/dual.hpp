// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// A value and its derivatives in N directions (forward mode). A plain value type; T may be a packet.
template <class T, int N> struct dual {
  T value{}, slope[N]{};
  constexpr dual() = default;
  TILT_HD constexpr dual(T constant) : value(constant) {
    for (int i = 0; i < N; ++i) slope[i] = tilt::constant<T>(0);
  }
  TILT_HD static constexpr dual variable(T value, int direction) {
    dual d(value);
    d.slope[direction] = tilt::constant<T>(1);
    return d;
  }
};
template <class T, int N> struct constant_of<dual<T, N>> {
  TILT_HD static constexpr dual<T, N> from(double x) { return dual<T, N>(constant_of<T>::from(x)); }
};

/// f(u): value f, derivative slope·u'.
template <class T, int N> TILT_HD dual<T, N> chain(T value, T slope, const dual<T, N>& u) {
  dual<T, N> f(value);
  for (int i = 0; i < N; ++i) f.slope[i] = slope * u.slope[i];
  return f;
}
template <class T, int N> TILT_HD dual<T, N> operator+(dual<T, N> a, const dual<T, N>& b) {
  a.value = a.value + b.value;
  for (int i = 0; i < N; ++i) a.slope[i] = a.slope[i] + b.slope[i];
  return a;
}
template <class T, int N> TILT_HD dual<T, N> operator-(const dual<T, N>& a) { return chain(-a.value, constant<T>(-1), a); }
template <class T, int N> TILT_HD dual<T, N> operator-(const dual<T, N>& a, const dual<T, N>& b) { return a + (-b); }
template <class T, int N> TILT_HD dual<T, N> operator*(const dual<T, N>& a, const dual<T, N>& b) {
  dual<T, N> f(a.value * b.value);
  for (int i = 0; i < N; ++i) f.slope[i] = b.value * a.slope[i] + a.value * b.slope[i];
  return f;
}
template <class T, int N> TILT_HD dual<T, N> operator/(const dual<T, N>& a, const dual<T, N>& b) {
  const T q = a.value / b.value;
  dual<T, N> f(q);
  for (int i = 0; i < N; ++i) f.slope[i] = (a.slope[i] - q * b.slope[i]) / b.value;
  return f;
}
template <class T, int N> TILT_HD auto operator<(const dual<T, N>& a, const dual<T, N>& b) { return a.value < b.value; }
template <class T, int N, class Mask> TILT_HD dual<T, N> select(const Mask& m, const dual<T, N>& a, const dual<T, N>& b) {
  dual<T, N> f(select(m, a.value, b.value));
  for (int i = 0; i < N; ++i) f.slope[i] = select(m, a.slope[i], b.slope[i]);
  return f;
}
template <class T, int N> TILT_HD dual<T, N> exp(const dual<T, N>& x) {
  using std::exp;
  const T e = exp(x.value);
  return chain(e, e, x);
}
template <class T, int N> TILT_HD dual<T, N> tanh(const dual<T, N>& x) {
  using std::tanh;
  const T t = tanh(x.value);
  return chain(t, constant<T>(1) - t * t, x);
}

}  // namespace tilt
