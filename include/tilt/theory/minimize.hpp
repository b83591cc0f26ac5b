// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <tilt/error.hpp>
#include <vector>

namespace tilt {

/// A function's value, gradient [n] and Hessian [n, n] at a point.
struct second_order {
  double value = 0;
  std::vector<double> gradient, hessian;

  explicit second_order(std::size_t n = 0) : gradient(n), hessian(n * n) {}
  std::size_t size() const { return gradient.size(); }
};

struct minimum {
  std::vector<double> at;
  double value = 0;
  double gradient = 0;  ///< the largest component's magnitude where it stopped
  int steps = 0;
};

namespace detail {

inline double largest_magnitude(std::span<const double> x) {
  double m = 0;
  for (const double v : x) m = std::isnan(v) ? v : std::max(m, std::abs(v));
  return m;
}

/// Solves (A + shift·1)·x = b for symmetric A by Cholesky factors; false if the matrix is not positive definite. O(n³).
inline bool solve_shifted(std::vector<double> a, double shift, std::span<const double> b, std::vector<double>& x) {
  const std::size_t n = b.size();
  x.assign(b.begin(), b.end());
  for (std::size_t j = 0; j < n; ++j) {
    double pivot = a[j * n + j] + shift;
    for (std::size_t k = 0; k < j; ++k) pivot -= a[j * n + k] * a[j * n + k];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    a[j * n + j] = std::sqrt(pivot);
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) x[i] -= a[i * n + k] * x[k];
    x[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) x[i] -= a[k * n + i] * x[k];
    x[i] /= a[i * n + i];
  }
  return true;
}

}  // namespace detail

/// A local minimum of f(span) -> second_order, from `at`: Newton's method with a multiple of 1 added to the Hessian until a step goes
/// down (Levenberg 1944). The last steps, which change the value by less than its rounding, are taken while they make the gradient
/// smaller, so that the point is right to rounding and not to its root. Stops at once where there is no minimum: the caller looks at
/// minimum::gradient. O(n³) a step.
template <class F> minimum minimize(const F& f, std::vector<double> at, int most_steps = 200) {
  second_order here = f(at);
  double shift = 0;
  minimum best{at, here.value, detail::largest_magnitude(here.gradient), 0};
  std::vector<double> step, there(at.size());
  while (best.steps < most_steps && best.gradient > 0) {
    double scale = 0;
    for (std::size_t i = 0; i < at.size(); ++i) scale = std::max(scale, std::abs(here.hessian[i * at.size() + i]));
    scale = std::max(scale, std::numeric_limits<double>::min());
    bool moved = false;
    for (int attempt = 0; attempt < 60 && !moved; ++attempt) {
      if (detail::solve_shifted(here.hessian, shift, here.gradient, step)) {
        for (std::size_t i = 0; i < at.size(); ++i) there[i] = best.at[i] - step[i];
        second_order next = f(there);
        const double gradient = detail::largest_magnitude(next.gradient),
                     flat = 8 * std::numeric_limits<double>::epsilon() * std::abs(best.value);
        moved = next.value < best.value - flat || (next.value <= best.value + flat && gradient < best.gradient);
        if (moved) {
          best.at = there, best.value = next.value, best.gradient = gradient;
          here = std::move(next);
        }
      }
      shift = moved ? (shift < 1e-12 * scale ? 0 : shift / 8) : std::max(8 * shift, 1e-10 * scale);
    }
    if (!moved) break;
    ++best.steps;
  }
  return best;
}

}  // namespace tilt
