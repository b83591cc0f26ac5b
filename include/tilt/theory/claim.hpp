// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace tilt {

/// One number that an experiment yields, and what theory says it must be.
struct measurement {
  std::string what;
  double measured = 0;
  double expected = 0;  ///< computed another way than `measured`: by a closed form, or by counting
  double bound = 0;     ///< how far apart the two may be

  /// |measured − expected|, in units of |expected| where that is above 1; 0 for equal infinities, NaN if either is NaN.
  double error() const { return measured == expected ? 0 : std::abs(measured - expected) / std::max(1.0, std::abs(expected)); }
  bool holds() const { return error() <= bound; }
};

/// A line of a claim's picture.
struct claim_curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
struct claim_picture {
  std::string title, x_label, y_label;
  std::vector<claim_curve> curves;

  bool empty() const { return curves.empty(); }
};

/// Something that is said of preference optimisation, what is true instead, and the numbers that show it.
struct claim {
  int number = 0;
  std::string said;
  std::string truth;
  std::vector<measurement> measurements;
  claim_picture picture = {};

  bool holds() const {
    return !measurements.empty() && std::all_of(measurements.begin(), measurements.end(), [](const measurement& m) { return m.holds(); });
  }
};

/// Bounds on errors of claims in double, far above rounding of the sums involved and far below any wrong formula's error.
namespace claim_bound {
constexpr double exact = 4e-15;     ///< one formula written in two ways, a few operations
constexpr double rounding = 1e-12;  ///< some hundred operations
}  // namespace claim_bound

}  // namespace tilt
