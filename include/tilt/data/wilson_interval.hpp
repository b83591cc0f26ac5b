// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/error.hpp>

namespace tilt {

/// The normal distribution's quantile for intervals at 95 %.
inline constexpr double normal_quantile_95 = 1.959963984540054;

/// An estimate and the ends of an interval around it.
struct interval {
  double value = 0, low = 0, high = 0;
};

/// Wilson's interval of a share (Wilson 1927, JASA 22, 209–212): (p + z²/2n ± z·√(p(1−p)/n + z²/4n²))/(1 + z²/n), z the normal quantile.
/// Unlike p ± z·√(p(1−p)/n) it stays within [0, 1] and is right for few trials. Half successes, as ties are, may be among them. Throws `error`
/// unless 0 ≤ successes ≤ n, n ≥ 1.
inline interval wilson_interval(double successes, double n, double z = normal_quantile_95) {
  if (!(n >= 1) || !(successes >= 0) || successes > n) throw error("wilson_interval: successes are 0 to n, and n is 1 or more");
  const double p = successes / n, square = z * z / n;
  const double centre = p + square / 2, reach = z * std::sqrt(p * (1 - p) / n + square / (4 * n));
  return {p, successes > 0 ? (centre - reach) / (1 + square) : 0, successes < n ? (centre + reach) / (1 + square) : 1};  // the ends exactly
}

}  // namespace tilt
