// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/rl/surrogates.hpp>
#include <tilt/rl/token_batch.hpp>
#include <type_traits>

namespace tilt {

/// RLOO (Ahmadian et al. 2024, arXiv 2402.14740) as TRL has it: a response is one action, ρ = π(y|x)/π_old(y|x) of the whole text, and the
/// loss the mean over responses of clipped_surrogate(ρ, A), A from leave_one_out_advantages. KL to the reference is part of the reward.
/// On the policy that sampled (ρ = 1) the gradient is REINFORCE's, −A·∇log π(y|x).
struct rloo {
  double epsilon = 0.2, epsilon_high = 0.2;

  void check() const {
    detail::require_usable(epsilon >= 0 && epsilon <= 1, "epsilon", epsilon, "give 0 to 1");
    detail::require_weight("epsilon_high", epsilon_high);
  }
};

/// Loss and gradient for each token; `advantages` has one number for each response. Parts of a step add up if step_responses is given.
/// O(tokens), allocates nothing.
template <class T>
policy_metrics evaluate(const rloo& loss, const token_batch<T>& batch, const std::type_identity_t<host_range<T>>& gradient = {}) {
  loss.check();
  const index tokens = detail::check_tokens(batch, gradient, false, false);
  const double responses = batch.step_responses > 0 ? batch.step_responses : static_cast<double>(batch.responses());
  policy_metrics m;
  detail::each_response(batch, [&](index i, index begin, index n) {
    T log_ratio = 0;
    for (index t = begin; t < begin + n; ++t) {
      const T d = batch.logps[t] - batch.old_logps[t];
      log_ratio += d;
      m.approx_kl += 0.5 * static_cast<double>(d) * static_cast<double>(d) / static_cast<double>(tokens);
    }
    const double advantage = static_cast<double>(batch.advantages[i]);
    const dual<T, 1> l = clipped_surrogate(exp(dual<T, 1>::variable(log_ratio, 0)), advantage, loss.epsilon, loss.epsilon_high);
    m.loss += static_cast<double>(l.value) / responses;
    const double ratio = std::exp(static_cast<double>(log_ratio));
    m.clip_ratio += (ratio < 1 - loss.epsilon && advantage < 0) || (ratio > 1 + loss.epsilon_high && advantage > 0)
                        ? 1 / static_cast<double>(batch.responses())
                        : 0.0;
    if (gradient.given())
      for (index t = begin; t < begin + n; ++t) gradient[t] = l.slope[0] / static_cast<T>(responses);
  });
  return m;
}

}  // namespace tilt
