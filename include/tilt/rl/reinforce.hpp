// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/rl/token_batch.hpp>
#include <type_traits>

namespace tilt {

/// REINFORCE (Williams 1992): the mean over responses of −A·log π(y|x), A the reward less a baseline that does not depend on the response.
/// Its gradient's expectation on samples from π is −∇E[r], whatever the baseline. The smallest policy-gradient loss: no ratio, no
/// clip, one step a sample.
struct reinforce {
  void check() const {}
};

/// Loss and gradient for each token; `advantages` has one number for each response, old_logps are not looked at but for approx_kl. Parts of
/// a step add up if step_responses is given. O(tokens), allocates nothing.
template <class T>
policy_metrics evaluate(const reinforce&, const token_batch<T>& batch, const std::type_identity_t<host_range<T>>& gradient = {}) {
  const index tokens = detail::check_tokens(batch, gradient, false, false);
  const double responses = batch.step_responses > 0 ? batch.step_responses : static_cast<double>(batch.responses());
  policy_metrics m;
  detail::each_response(batch, [&](index i, index begin, index n) {
    const T weight = -batch.advantages[i] / static_cast<T>(responses);
    for (index t = begin; t < begin + n; ++t) {
      const double d = static_cast<double>(batch.logps[t] - batch.old_logps[t]);
      m.loss += static_cast<double>(weight * batch.logps[t]);
      m.approx_kl += 0.5 * d * d / static_cast<double>(tokens);
      if (gradient.given()) gradient[t] = weight;
    }
  });
  return m;
}

/// A baseline for REINFORCE: the running mean of rewards, with a memory of about 1/(1 − decay) of them. The first is taken as it is, so that
/// the baseline is unbiased from the start. Ask for it before telling it the sample's own reward.
struct moving_baseline {
  double decay = 0.9;  ///< in [0, 1)
  double mean = 0, weight = 0;

  double value() const { return weight > 0 ? mean / weight : 0; }
  void add(double reward) {
    mean = decay * mean + (1 - decay) * reward;
    weight = decay * weight + (1 - decay);
  }
  void check() const { detail::require_usable(decay >= 0 && decay < 1, "baseline_decay", decay, "give 0 to below 1"); }
};

}  // namespace tilt
