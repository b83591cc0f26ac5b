// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <span>
#include <tilt/scalar/config.hpp>
#include <tilt/theory/bradley_terry.hpp>
#include <vector>

namespace tilt {

/// All answers that there are to one prompt: a world that can be enumerated.
struct answer_set {
  std::vector<double> reference_logps;  ///< log π_ref(y), of a distribution
  std::vector<double> rewards;          ///< r(y), also what a judge scores
  std::vector<index> lengths = {};      ///< tokens; 1 each if left away

  std::size_t size() const { return rewards.size(); }
  index length(std::size_t y) const { return lengths.empty() ? 1 : lengths[y]; }
};

/// log π(y) = θ(y) − log Σ exp θ: a policy with a number of its own for each answer.
inline std::vector<double> log_softmax(std::span<const double> theta) {
  std::vector<double> logps(theta.begin(), theta.end());
  const double total = log_sum_exp(theta);
  for (double& l : logps) l -= total;
  return logps;
}

/// ½·Σ_y |p(y) − q(y)| of distributions given by their logarithms.
inline double total_variation(std::span<const double> p, std::span<const double> q) {
  detail::require_same_size(p, q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += std::abs(std::exp(p[i]) - std::exp(q[i]));
  return sum / 2;
}

/// How often answer `chosen` was preferred to answer `rejected`.
struct preference {
  std::size_t chosen, rejected;
  double weight;
};

/// What endless comparisons say: every pair of answers, both ways, as often as pair_weight(a, b)·σ(r(a) − r(b)).
template <class PairWeight> std::vector<preference> bradley_terry_preferences(const answer_set& world, const PairWeight& pair_weight) {
  std::vector<preference> data;
  for (std::size_t a = 0; a < world.size(); ++a)
    for (std::size_t b = 0; b < world.size(); ++b)
      if (a != b) data.push_back({a, b, pair_weight(a, b) * preference_probability(world.rewards[a], world.rewards[b])});
  return data;
}
/// Every pair equally often; weights sum to 1.
inline std::vector<preference> bradley_terry_preferences(const answer_set& world) {
  const double pairs = static_cast<double>(world.size() * (world.size() - 1)) / 2;
  return bradley_terry_preferences(world, [pairs](std::size_t, std::size_t) { return 1 / pairs; });
}
/// Every pair once, the answer of larger reward always chosen: labels by rank. Equal rewards make no pair; weights sum to 1.
inline std::vector<preference> ranked_preferences(const answer_set& world) {
  std::vector<preference> data;
  for (std::size_t a = 0; a < world.size(); ++a)
    for (std::size_t b = 0; b < world.size(); ++b)
      if (world.rewards[a] > world.rewards[b]) data.push_back({a, b, 1});
  for (preference& p : data) p.weight /= static_cast<double>(data.size());
  return data;
}

}  // namespace tilt
