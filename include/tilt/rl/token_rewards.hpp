// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <span>
#include <tilt/rl/kl_estimators.hpp>

namespace tilt {

/// The rewards of one response's tokens in PPO (Ziegler et al. 2019, arXiv 1909.08593, eq. 2): −β·KL estimate at each token, and the score
/// of the whole text at the last one, which is the response's own last token and no padding behind it. rewards [n], n ≥ 1.
template <class T>
void token_rewards(std::span<const T> logps, std::span<const T> reference_logps, double kl_coefficient, kl_estimator estimator,
                   double score, std::span<T> rewards) {
  if (logps.size() != reference_logps.size() || logps.size() != rewards.size() || logps.empty())
    throw error("token_rewards: a response has one token at least, and a log-probability, a reference's and a reward for each");
  for (std::size_t t = 0; t < logps.size(); ++t)
    rewards[t] = -static_cast<T>(kl_coefficient) * estimate_kl(estimator, logps[t], reference_logps[t]);
  rewards.back() += static_cast<T>(score);
}

/// The running mean and variance of rewards, by which they may be normalised (Welford 1962; merged by Chan et al. 1979). Five runs of one
/// number or one of five are the same. State: three numbers.
struct running_moments {
  double count = 0, mean = 0, squares = 0;  ///< squares: Σ (x − mean)²

  void add(double x) {
    count += 1;
    const double before = x - mean;
    mean += before / count;
    squares += before * (x - mean);
  }
  double variance() const { return count > 1 ? squares / (count - 1) : 0; }
  /// (x − mean)/deviation; x itself less the mean before there is a deviation.
  double normalised(double x) const {
    const double deviation = std::sqrt(variance());
    return deviation > 0 ? (x - mean) / deviation : x - mean;
  }
};

/// A reward held to ±limit. limit > 0; infinite: as it is.
inline double clipped_reward(double reward, double limit) { return reward < -limit ? -limit : reward > limit ? limit : reward; }

/// The score of a response that ran out of tokens is lowered by a penalty (Huang et al. 2024, arXiv 2403.17031, §3, "EOS trick").
inline double with_eos_penalty(double score, bool ended, double penalty) { return ended ? score : score - penalty; }

}  // namespace tilt
