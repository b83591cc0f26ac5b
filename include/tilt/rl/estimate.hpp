// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <tilt/rl/gae.hpp>
#include <tilt/rl/policy_gradient_options.hpp>
#include <tilt/rl/rollout.hpp>
#include <tilt/rl/token_rewards.hpp>
#include <vector>

namespace tilt {

/// What a policy-gradient run learns of its rewards as it goes: six numbers that a checkpoint holds.
struct reward_history {
  double kl_coef = 0;             ///< β now
  running_moments scores = {};    ///< of use_score_scaling
  moving_baseline baseline = {};  ///< of REINFORCE

  std::vector<double> state() const { return {kl_coef, scores.count, scores.mean, scores.squares, baseline.mean, baseline.weight}; }
  void restore(const std::vector<double>& s) {
    if (s.size() != state().size()) throw input_error("checkpoint: it was written by another method; resume with the same one");
    kl_coef = s[0];
    scores = {s[1], s[2], s[3]};
    baseline.mean = s[4], baseline.weight = s[5];
  }
};

/// A step's advantages, and what is told of its rewards: each the mean over responses.
template <class T> struct advantage_estimate {
  void reserve(index responses, index tokens) {
    for (auto* v : {&advantages, &returns, &rewards}) v->reserve(static_cast<std::size_t>(std::max(responses, tokens)));
    totals.reserve(static_cast<std::size_t>(responses));
  }

  std::vector<T> advantages;    ///< of each token (ppo) or response (the others)
  std::vector<T> returns;       ///< of each token; ppo's
  double kl = 0;                ///< Σ_t log π − log π_ref: k1 of a response
  double non_score_reward = 0;  ///< −β·Σ_t of the chosen estimator
  double scores = 0;            ///< by the reward function, as they came
  double rlhf_reward = 0;       ///< non_score_reward and the score as it was used
  std::vector<T> totals;        ///< of each response, the score as it was used less the penalty
  std::vector<T> rewards;       ///< of each token; ppo's
};

namespace detail {
/// The score of a response as training uses it: the penalty, then scaling by the history, of which this score is a part, then the clip.
inline double shaped_score(const policy_gradient_options& o, double score, bool ended, running_moments& history) {
  double shaped = with_eos_penalty(score, ended, o.missing_eos_penalty);
  if (o.use_score_scaling) {
    const double deviation = std::sqrt(history.variance());
    shaped = o.use_score_norm ? history.normalised(shaped) : deviation > 0 ? shaped / deviation : shaped;
  }
  return o.score_clip > 0 ? clipped_reward(shaped, o.score_clip) : shaped;
}
}  // namespace detail

/// The method's advantages of a rollout. O(tokens). Uses the memory of `e`, an earlier estimate.
///  - ppo: rewards −β·KL at each token and the score at the last, whitened if asked for; GAE(γ, λ) on the value function; whitened over the step.
///  - rloo: (score − β·Σ KL) less the mean of that over the prompt's other samples; reinforce: less the running mean before this step.
///  - grpo: (score − group mean)/(deviation + 1e-4), the deviation as scale_rewards says; its KL is in the loss.
template <class T>
advantage_estimate<T> estimate_advantages(const policy_gradient& method, const policy_gradient_options& o, const rollout<T>& r,
                                          reward_history& history, advantage_estimate<T> e = {}) {
  e.kl = e.non_score_reward = e.scores = e.rlhf_reward = 0;
  const std::size_t n = static_cast<std::size_t>(r.responses());
  const bool by_token = std::holds_alternative<ppo>(method), in_loss = std::holds_alternative<grpo>(method);
  const double beta = in_loss ? 0 : history.kl_coef, share = 1 / static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) history.scores.add(with_eos_penalty(r.scores[i], r.ended[i], o.missing_eos_penalty));

  std::vector<T>&totals = e.totals, &rewards = e.rewards;
  totals.resize(n);
  rewards.resize(by_token ? static_cast<std::size_t>(r.tokens()) : 0);
  for (std::size_t i = 0; i < n; ++i) {
    const index response = static_cast<index>(i);
    const auto logps = r.policy.logps(response), reference = r.reference.logps(response);
    const double score = detail::shaped_score(o, r.scores[i], r.ended[i], history.scores);
    double penalty = 0;
    for (std::size_t t = 0; t < logps.size(); ++t) {
      e.kl += share * static_cast<double>(kl_k1(logps[t], reference[t]));
      penalty += beta * static_cast<double>(estimate_kl(o.kl, logps[t], reference[t]));
    }
    if (by_token)
      token_rewards(logps, reference, beta, o.kl, score,
                    std::span<T>(rewards).subspan(static_cast<std::size_t>(r.policy.begin(response)), logps.size()));
    totals[i] = static_cast<T>(score - penalty);
    e.scores += share * r.scores[i];
    e.non_score_reward -= share * penalty;
    e.rlhf_reward += share * (score - penalty);
  }

  if (by_token) {
    if (o.whiten_rewards) whiten(std::span<T>(rewards), false);
    e.advantages.resize(rewards.size());
    e.returns.resize(rewards.size());
    for (index i = 0; i < r.responses(); ++i) {
      const std::size_t begin = static_cast<std::size_t>(r.policy.begin(i)), count = static_cast<std::size_t>(r.policy.tokens(i));
      const std::span<T> advantages = std::span<T>(e.advantages).subspan(begin, count);
      generalized_advantages(std::span<const T>(rewards).subspan(begin, count), r.value.values(i), o.gamma, o.lam, advantages);
      value_targets(std::span<const T>(advantages), r.value.values(i), std::span<T>(e.returns).subspan(begin, count));
    }
    whiten(std::span<T>(e.advantages));
    return e;
  }
  e.advantages.resize(n);
  if (in_loss) {
    group_advantages(std::span<const T>(totals), o.num_generations, std::span<T>(e.advantages), o.scale_rewards);
  } else if (std::holds_alternative<rloo>(method)) {
    leave_one_out_advantages(std::span<const T>(totals), o.num_generations, std::span<T>(e.advantages));
  } else {
    const double baseline = history.baseline.value();
    for (std::size_t i = 0; i < n; ++i) e.advantages[i] = static_cast<T>(static_cast<double>(totals[i]) - baseline);
    for (const T& total : totals) history.baseline.add(static_cast<double>(total));
  }
  return e;
}

}  // namespace tilt
