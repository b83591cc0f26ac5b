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

/// What is told of the rewards of some samples: each the mean over responses.
struct reward_means {
  double kl = 0;                ///< Σ_t log π − log π_ref: k1 of a response
  double non_score_reward = 0;  ///< −β·Σ_t of the chosen estimator
  double scores = 0;            ///< by the reward function, as they came
  double rlhf_reward = 0;       ///< non_score_reward and the score as it was used
};

/// A step's advantages.
template <class T> struct advantage_estimate : reward_means {
  std::vector<T> advantages;  ///< of each token (ppo) or response (the others)
  std::vector<T> returns;     ///< of each token; ppo's
  std::vector<T> totals;      ///< of each response, the score as it was used less the penalty
  std::vector<T> rewards;     ///< of each token; ppo's

  void reserve(index responses, index tokens) {
    for (auto* v : {&advantages, &returns, &rewards}) v->reserve(static_cast<std::size_t>(std::max(responses, tokens)));
    totals.reserve(static_cast<std::size_t>(responses));
  }
};

namespace detail {
/// The score of a response as training uses it: the penalty, then scaling by the history, of which this score is a part, then the clip.
inline double shaped_score(const policy_gradient_options& o, double score, bool ended, const running_moments& history) {
  double shaped = with_eos_penalty(score, ended, o.missing_eos_penalty);
  if (o.use_score_scaling) {
    const double deviation = std::sqrt(history.variance());
    shaped = o.use_score_norm ? history.normalised(shaped) : deviation > 0 ? shaped / deviation : shaped;
  }
  return o.score_clip > 0 ? clipped_reward(shaped, o.score_clip) : shaped;
}

/// A response's score as it is used, and its penalty −β·KL; adds both to the means of a rollout.
struct shaped_reward {
  double score, penalty;
};
template <class T>
shaped_reward reward_of(const policy_gradient_options& o, const rollout<T>& r, index response, double beta, const running_moments& history,
                        reward_means& means) {
  const auto logps = r.policy.logps(response), reference = r.reference.logps(response);
  const std::size_t i = static_cast<std::size_t>(response);
  const double share = 1 / static_cast<double>(r.responses()), score = shaped_score(o, r.scores[i], r.ended[i], history);
  double penalty = 0;
  for (std::size_t t = 0; t < logps.size(); ++t) {
    means.kl += share * static_cast<double>(kl_k1(logps[t], reference[t]));
    penalty += beta * static_cast<double>(estimate_kl(o.kl, logps[t], reference[t]));
  }
  means.scores += share * r.scores[i];
  means.non_score_reward -= share * penalty;
  means.rlhf_reward += share * (score - penalty);
  return {score, penalty};
}
/// β of the penalty in the reward; grpo's KL is in the loss.
inline double penalty_coefficient(const policy_gradient& method, const reward_history& history) {
  return std::holds_alternative<grpo>(method) ? 0 : history.kl_coef;
}
}  // namespace detail

/// What a rollout's rewards come to under what the history holds, which they do not change. O(tokens).
template <class T>
reward_means means_of(const policy_gradient& method, const policy_gradient_options& o, const rollout<T>& r, const reward_history& history) {
  reward_means means;
  for (index i = 0; i < r.responses(); ++i) detail::reward_of(o, r, i, detail::penalty_coefficient(method, history), history.scores, means);
  return means;
}

/// The method's advantages of a rollout. O(tokens). Uses the memory of `e`, an earlier estimate.
///  - ppo: rewards −β·KL at each token and the score at the last, whitened if asked for; GAE(γ, λ) on the value function; whitened over the step.
///  - rloo: (score − β·Σ KL) less the mean of that over the prompt's other samples; reinforce: less the running mean before this step.
///  - grpo: (score − group mean)/(deviation + 1e-4), the deviation as scale_rewards says; its KL is in the loss.
template <class T>
advantage_estimate<T> estimate_advantages(const policy_gradient& method, const policy_gradient_options& o, const rollout<T>& r,
                                          reward_history& history, advantage_estimate<T> e = {}) {
  static_cast<reward_means&>(e) = {};
  const std::size_t n = static_cast<std::size_t>(r.responses());
  const bool by_token = std::holds_alternative<ppo>(method), in_loss = std::holds_alternative<grpo>(method);
  const double beta = detail::penalty_coefficient(method, history);
  for (std::size_t i = 0; i < n; ++i) history.scores.add(with_eos_penalty(r.scores[i], r.ended[i], o.missing_eos_penalty));

  std::vector<T>&totals = e.totals, &rewards = e.rewards;
  totals.resize(n);
  rewards.resize(by_token ? static_cast<std::size_t>(r.tokens()) : 0);
  for (std::size_t i = 0; i < n; ++i) {
    const index response = static_cast<index>(i);
    const auto [score, penalty] = detail::reward_of(o, r, response, beta, history.scores, e);
    if (by_token)
      token_rewards(r.policy.logps(response), r.reference.logps(response), beta, o.kl, score,
                    std::span<T>(rewards).subspan(static_cast<std::size_t>(r.policy.begin(response)),
                                                  static_cast<std::size_t>(r.policy.tokens(response))));
    totals[i] = static_cast<T>(score - penalty);
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
