// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

namespace tilt::test {

/// Pearson's Σ (observed − expected)²/expected over cells with an expectation of 5 or more, the others taken together, and how far it
/// lies above its mean in normal deviates (Wilson and Hilferty 1931).
struct chi_square {
  double statistic = 0, deviates = 0;
  std::size_t cells = 0;

  chi_square(const std::vector<double>& probabilities, const std::vector<std::size_t>& counts) {
    double draws = 0, rare_expected = 0, rare_observed = 0;
    for (const std::size_t c : counts) draws += static_cast<double>(c);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double expected = draws * probabilities[i], observed = static_cast<double>(counts[i]);
      if (expected < 5) {
        rare_expected += expected;
        rare_observed += observed;
      } else {
        add(expected, observed);
      }
    }
    if (rare_expected >= 1) add(rare_expected, rare_observed);
    const double freedom = static_cast<double>(cells) - 1, spread = 2 / (9 * freedom);
    deviates = (std::cbrt(statistic / freedom) - (1 - spread)) / std::sqrt(spread);
  }

 private:
  void add(double expected, double observed) {
    statistic += (observed - expected) * (observed - expected) / expected;
    ++cells;
  }
};

}  // namespace tilt::test
