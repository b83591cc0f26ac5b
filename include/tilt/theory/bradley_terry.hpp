// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <numeric>
#include <span>
#include <tilt/scalar/sigmoid.hpp>
#include <tilt/theory/tilted.hpp>
#include <vector>

namespace tilt {

/// The probability that an answer of reward a is preferred to one of reward b: σ(a − b) (Bradley and Terry 1952).
inline double preference_probability(double a, double b) { return sigmoid(a - b); }

/// For each answer, the probability that it is preferred to one drawn from π_ref: g(y) = Σ_y' π_ref(y')·σ(r(y) − r(y')). It is what
/// IPO's optimum is tilted by, π ∝ π_ref·exp(g/β) (Azar et al. 2023, arXiv 2310.12036, section 4, with Ψ the identity), if pairs are
/// drawn from π_ref and labels from Bradley–Terry. log π_ref counts up to a constant. O(n log n + k²) for k distinct rewards.
inline std::vector<double> win_rates(std::span<const double> reference_logps, std::span<const double> rewards) {
  detail::require_same_size(reference_logps, rewards);
  std::vector<std::size_t> order(rewards.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rewards[a] < rewards[b]; });
  const double largest =
      *std::max_element(reference_logps.begin(), reference_logps.end());  // texts' log-probabilities may lie far below exp's reach
  std::vector<double> values, masses;                                     // distinct rewards and their probabilities, up to a factor
  std::vector<std::size_t> group(rewards.size());
  for (const std::size_t i : order) {
    if (values.empty() || values.back() != rewards[i]) {
      values.push_back(rewards[i]);
      masses.push_back(0);
    }
    group[i] = values.size() - 1;
    masses.back() += std::exp(reference_logps[i] - largest);
  }
  const double total = std::accumulate(masses.begin(), masses.end(), 0.0);
  std::vector<double> rates(values.size(), 0.0), result(rewards.size());
  for (std::size_t a = 0; a < values.size(); ++a)
    for (std::size_t b = 0; b < values.size(); ++b) rates[a] += masses[b] / total * preference_probability(values[a], values[b]);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = rates[group[i]];
  return result;
}

}  // namespace tilt
