// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <tilt/error.hpp>
#include <vector>

namespace tilt {

namespace detail {
inline void require_same_size(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size() || a.empty()) throw error("theory: a world has one value for each answer, and one answer at least");
}
}  // namespace detail

/// log Σ exp x; −∞ for nothing. Overflows nowhere. O(n).
inline double log_sum_exp(std::span<const double> x) {
  const double largest = x.empty() ? -std::numeric_limits<double>::infinity() : *std::max_element(x.begin(), x.end());
  if (!std::isfinite(largest)) return largest;
  double sum = 0;
  for (const double v : x) sum += std::exp(v - largest);
  return largest + std::log(sum);
}

/// The KL-regularised optimum over a finite set of answers: log π*(y) = log π_ref(y) + r(y)/β − log Z, the maximiser of
/// E_π[r] − β·KL(π‖π_ref) (Rafailov et al. 2023, arXiv 2305.18290, eq. 4). log π_ref counts up to a constant; with zeros for samples
/// drawn from π_ref the result is their self-normalised importance weights. O(n).
inline std::vector<double> tilted(std::span<const double> reference_logps, std::span<const double> rewards, double beta) {
  detail::require_same_size(reference_logps, rewards);
  if (!(beta > 0)) throw input_error("beta: the tilt needs a positive number");
  std::vector<double> logps(rewards.size());
  for (std::size_t i = 0; i < logps.size(); ++i) logps[i] = reference_logps[i] + rewards[i] / beta;
  const double log_partition = log_sum_exp(logps);
  for (double& l : logps) l -= log_partition;
  return logps;
}

/// E_π[f] = Σ_y π(y)·f(y).
inline double expectation(std::span<const double> logps, std::span<const double> values) {
  detail::require_same_size(logps, values);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += std::exp(logps[i]) * values[i];
  return sum;
}

/// KL(π‖π_ref) = Σ_y π(y)·(log π(y) − log π_ref(y)) in nats, where 0·log 0 is 0.
inline double kl_divergence(std::span<const double> logps, std::span<const double> reference_logps) {
  detail::require_same_size(logps, reference_logps);
  double sum = 0;
  for (std::size_t i = 0; i < logps.size(); ++i) {
    const double p = std::exp(logps[i]);
    if (p > 0) sum += p * (logps[i] - reference_logps[i]);
  }
  return sum;
}

/// Entropy −Σ_y π(y)·log π(y) in nats.
inline double entropy(std::span<const double> logps) {
  double sum = 0;
  for (const double l : logps)
    if (const double p = std::exp(l); p > 0) sum -= p * l;
  return sum;
}

}  // namespace tilt
