// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <span>

namespace tilt {

/// WPO's weight of a response (Zhou et al. 2024, arXiv 2406.11827, eq. 5, its "sampled alignment" as TRL has it): exp of the mean over tokens
/// of log π(y_t) − log Σ_v π(v)², how likely the response is against what the policy itself would have written (over the policy's own tokens
/// the ratio inside averages 1). A pair weighs w(y⁺)·w(y⁻). No slope goes through it.
template <class T> double wpo_weight(std::span<const T> token_logps, std::span<const T> log_sum_squares) {
  double sum = 0;
  for (std::size_t t = 0; t < token_logps.size(); ++t) sum += static_cast<double>(token_logps[t]) - static_cast<double>(log_sum_squares[t]);
  return token_logps.empty() ? 1 : std::exp(sum / static_cast<double>(token_logps.size()));
}

}  // namespace tilt
