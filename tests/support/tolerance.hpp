// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <ostream>

namespace tilt::test {

/// How closely numbers of type T must agree, as relative errors in units of T's rounding. A test that needs more says at the call
/// why; a bound that is met by chance on one machine is not a reason to tighten one here.
template <class T> struct tolerance {
  static constexpr T eps = std::numeric_limits<T>::epsilon();
  /// A formula of a few operations and a call or two of exp or log, each right to an ulp or two.
  static constexpr T value = 16 * eps;
  /// Its derivative by dual numbers against the closed form: about twice the operations.
  static constexpr T gradient = 32 * eps;
  /// A sum of n terms in another order: the errors of n roundings add up like a random walk. Relative to the sum of magnitudes, so give
  /// all_close the terms' scale where they cancel.
  static T sum(std::size_t n) { return 16 * eps * std::sqrt(static_cast<T>(std::max<std::size_t>(n, 1))); }
  /// A derivative against a central difference with step(x): truncation h² and rounding eps/h are both of the order eps^(2/3); the
  /// factor stands for the third derivative. 3.8e-8 in double; in float it says next to nothing, so differences are taken in double.
  static T difference() { return 1024 * std::cbrt(eps * eps); }
  /// The step for it.
  static T step(T x) { return std::cbrt(eps) * std::max(T(1), std::abs(x)); }
};

/// The outcome of comparing numbers: true if they agree. Catch2 prints it as a sentence: `CHECK(close(a, b, tol))`.
struct comparison {
  bool agree = true;
  std::size_t at = 0;        ///< the worst element, 0 for two numbers
  std::size_t count = 1;     ///< how many were compared
  long double a = 0, b = 0;  ///< the worst element's two values
  long double error = 0, tolerance = 0;
  bool same_size = true;

  operator bool() const { return agree; }  // not explicit: it stands wherever a bool does

  friend std::ostream& operator<<(std::ostream& out, const comparison& c) {
    if (!c.same_size) return out << "sizes differ";
    if (c.count == 0) return out << "nothing to compare";
    const auto digits = out.precision(std::numeric_limits<double>::max_digits10);
    if (c.count != 1) out << "of " << c.count << " elements the worst is [" << c.at << "]: ";
    out << c.a << " against " << c.b << ", error ";
    out.precision(3);
    out << c.error << (c.agree ? " <= " : " > ") << c.tolerance;
    out.precision(digits);
    return out;
  }
};

/// |a − b| relative to the mean magnitude of a and b, or to `scale` if that is larger; without a scale, absolute if either is zero.
/// 0 if a = b (which takes in equal infinities); infinite if either is NaN or only one is infinite.
inline long double relative_error(long double a, long double b, long double scale = 0) {
  if (a == b) return 0;
  const long double difference = std::abs(a - b);
  if (!std::isfinite(difference)) return std::numeric_limits<long double>::infinity();
  if (scale == 0 && (a == 0 || b == 0)) return difference;
  return difference / std::max(scale, (std::abs(a) + std::abs(b)) / 2);
}

/// Whether a and b agree within a relative error (absolute at zero).
inline comparison close(long double a, long double b, long double tolerance, long double scale = 0) {
  const long double error = relative_error(a, b, scale);
  return {.agree = error <= tolerance, .a = a, .b = b, .error = error, .tolerance = tolerance};
}

/// The largest finite magnitude: the scale of a range whose small elements are differences of large ones.
template <class Range> long double largest(const Range& range) {
  long double m = 0;
  for (const auto& x : range)
    if (std::isfinite(x)) m = std::max(m, std::abs(static_cast<long double>(x)));
  return m;
}

/// Whether two ranges agree element by element; reports the worst one. A `scale` > 0 measures smaller elements against it. Two empty
/// ranges do not agree: nothing was tested.
template <class A, class B> comparison all_close(const A& a, const B& b, long double tolerance, long double scale = 0) {
  comparison worst{.count = static_cast<std::size_t>(std::size(a)), .tolerance = tolerance};
  if (std::size(a) != std::size(b)) return {.agree = false, .same_size = false};
  auto other = std::begin(b);
  std::size_t at = 0;
  for (const auto& x : a) {
    const long double left = static_cast<long double>(x), right = static_cast<long double>(*other);
    const long double error = relative_error(left, right, scale);
    if (at == 0 || error > worst.error) worst.at = at, worst.a = left, worst.b = right, worst.error = error;
    ++at, ++other;
  }
  worst.agree = worst.count > 0 && worst.error <= tolerance;
  return worst;
}

}  // namespace tilt::test
