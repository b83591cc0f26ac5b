// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/rl/surrogates.hpp>
#include <tilt/rl/token_batch.hpp>
#include <type_traits>

namespace tilt {

/// The hyper-parameters of PPO's loss (Schulman et al. 2017, arXiv 1707.06347, eq. 7 and 9), with the names and defaults of TRL's last PPO:
/// mean over tokens of clipped_surrogate(π/π_old, A) + vf_coef·clipped_value_loss − entropy_coef·H.
struct ppo {
  double cliprange = 0.2;        ///< of the policy's ratio, in (0, 1]
  double cliprange_value = 0.2;  ///< how far a value may move for its loss to be the unclipped one, > 0
  double vf_coef = 0.1;          ///< ≥ 0
  double entropy_coef = 0;       ///< ≥ 0

  void check() const {
    detail::require_usable(cliprange > 0 && cliprange <= 1, "cliprange", cliprange, "give a number above 0, at most 1");
    detail::require_positive("cliprange_value", cliprange_value);
    detail::require_weight("vf_coef", vf_coef);
    detail::require_weight("entropy_coef", entropy_coef);
  }
};

/// What PPO needs beside token_batch, whose `advantages` has one number for each token here. [Σ lengths] each.
template <class T> struct value_batch {
  host_range<const T> values = {};      ///< V of the value function now, what is differentiated
  host_range<const T> old_values = {};  ///< V when the responses were sampled
  host_range<const T> returns = {};     ///< value_targets()
  host_range<const T> entropies = {};   ///< of the distribution that each token was drawn from; needed if entropy_coef > 0
};

/// Derivatives of the whole loss. [Σ lengths] each; what is left away is not computed.
template <class T> struct ppo_outputs {
  host_range<T> logps = {}, values = {}, entropies = {};
};

struct ppo_metrics {
  double loss = 0;  ///< policy_loss + vf_coef·value_loss − entropy_coef·entropy
  double policy_loss = 0, value_loss = 0, entropy = 0;
  double approx_kl = 0;       ///< mean ½(log π − log π_old)²
  double policy_clipped = 0;  ///< share of tokens whose clipped term is the larger loss
  double value_clipped = 0;   ///< the same of the value loss
};

/// PPO's loss of a batch, and its derivatives. Parts of a step add up if step_tokens is given. O(tokens), allocates nothing. Throws
/// input_error on impossible hyper-parameters or sizes.
template <class T>
ppo_metrics evaluate(const ppo& loss, const token_batch<T>& batch, const std::type_identity_t<value_batch<T>>& value,
                     const std::type_identity_t<ppo_outputs<T>>& out = {}) {
  loss.check();
  const index tokens = detail::check_tokens(batch, out.logps, false, true);
  detail::require_size(value.values, tokens, "values", true);
  detail::require_size(value.old_values, tokens, "old_values", true);
  detail::require_size(value.returns, tokens, "returns", true);
  detail::require_size(value.entropies, tokens, "entropies", loss.entropy_coef > 0);
  detail::require_size(out.values, tokens, "gradient of values");
  detail::require_size(out.entropies, tokens, "gradient of entropies");
  const double all = batch.step_tokens > 0 ? batch.step_tokens : static_cast<double>(tokens);
  const T divisor = static_cast<T>(all);
  using number = dual<T, 1>;

  ppo_metrics m;
  for (index t = 0; t < tokens; ++t) {
    const double advantage = static_cast<double>(batch.advantages[t]);
    const number ratio = exp(number::variable(batch.logps[t], 0) - number(batch.old_logps[t]));
    const number p = clipped_surrogate(ratio, advantage, loss.cliprange, loss.cliprange);
    const number v = clipped_value_loss(number::variable(value.values[t], 0), number(value.old_values[t]), number(value.returns[t]),
                                        loss.cliprange_value);
    m.policy_loss += static_cast<double>(p.value) / all;
    m.value_loss += static_cast<double>(v.value) / all;
    if (value.entropies.given()) m.entropy += static_cast<double>(value.entropies[t]) / all;
    if (out.logps.given()) out.logps[t] = p.slope[0] / divisor;
    if (out.values.given()) out.values[t] = static_cast<T>(loss.vf_coef) * v.slope[0] / divisor;
    if (out.entropies.given()) out.entropies[t] = -static_cast<T>(loss.entropy_coef) / divisor;

    const double d = static_cast<double>(batch.logps[t] - batch.old_logps[t]), r = static_cast<double>(ratio.value);
    m.approx_kl += 0.5 * d * d / static_cast<double>(tokens);
    m.policy_clipped +=
        ((r < 1 - loss.cliprange && advantage < 0) || (r > 1 + loss.cliprange && advantage > 0) ? 1.0 : 0.0) / static_cast<double>(tokens);
    // in the loss's own arithmetic, in which a value within reach is the same number clipped and not
    const T reach = static_cast<T>(loss.cliprange_value), plain = value.values[t] - value.returns[t];
    const T clipped = clamp(value.values[t], value.old_values[t] - reach, value.old_values[t] + reach) - value.returns[t];
    m.value_clipped += (clipped * clipped > plain * plain ? 1.0 : 0.0) / static_cast<double>(tokens);
  }
  m.loss = m.policy_loss + loss.vf_coef * m.value_loss - loss.entropy_coef * m.entropy;
  return m;
}

}  // namespace tilt
