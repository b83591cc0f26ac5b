// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <tilt/rl/advantages.hpp>
#include <tilt/rl/grpo.hpp>
#include <tilt/rl/kl_controller.hpp>
#include <tilt/rl/kl_estimators.hpp>
#include <tilt/rl/ppo.hpp>
#include <tilt/rl/reinforce.hpp>
#include <tilt/rl/rloo.hpp>
#include <tilt/train/run_settings.hpp>
#include <variant>
#include <vector>

namespace tilt {

/// The loss that a policy-gradient trainer minimises; with it goes the advantage: PPO's from a value function (GAE), RLOO's from the other
/// samples of the prompt, GRPO's from the prompt's group, REINFORCE's from a running mean.
using policy_gradient = std::variant<ppo, rloo, grpo, reinforce>;

inline std::string_view name_of(const policy_gradient& method) {
  constexpr std::string_view names[] = {"ppo", "rloo", "grpo", "reinforce"};
  return names[method.index()];
}

/// What a policy-gradient run may be told beside `training_options` (of which batch_size × gradient_accumulation_steps are the prompts of a
/// step) and the loss's own hyper-parameters. Names are TRL's: of its PPOConfig, and of the older PPOTrainer where that alone had the thing.
struct policy_gradient_options {
  index num_generations = 1;                         ///< samples of a prompt, all in one step; rloo and grpo need 2 or more
  index max_new_tokens = 53;                         ///< of a sample (PPOConfig's response_length)
  std::vector<token> end_tokens = {};                ///< each ends a sample; none: the policy's eos_token_id
  index num_ppo_epochs = 4;                          ///< times that a step's samples are used
  index num_mini_batches = 1;                        ///< parts of the samples, each of which is an update
  double kl_coef = 0.05;                             ///< β of the penalty −β·KL in the reward; grpo has its own, in the loss
  kl_estimator kl = kl_estimator::k1;                ///< of the penalty
  bool adap_kl_ctrl = false;                         ///< β follows a target (adaptive_kl_controller)
  double target = 6;                                 ///< nats a sample, of the adaptive controller
  double horizon = 10000;                            ///< samples, of the adaptive controller
  double gamma = 1, lam = 0.95;                      ///< GAE's γ and λ
  bool whiten_rewards = false;                       ///< rewards of tokens get variance 1, over a step
  double missing_eos_penalty = 0;                    ///< taken from the score of a sample that found no end
  bool use_score_scaling = false;                    ///< scores are divided by their running deviation
  bool use_score_norm = false;                       ///< and their running mean is taken off first
  double score_clip = 0;                             ///< scores are then held to ± this; 0: not
  bool early_stopping = false;                       ///< a step's updates end once the policy has gone too far from the one that sampled:
  double target_kl = 1;                              ///< when mean ½(log π − log π_old)² exceeds 1.5 times this
  double baseline_decay = 0.9;                       ///< of REINFORCE's running mean
  reward_scale scale_rewards = reward_scale::group;  ///< what GRPO's advantages are divided by
  std::string reward = {};                     ///< what the reward function is, in words or as a hash: a run is not resumed under another
  std::string reward_option = "reward_model";  ///< the option that chose it, which is named where a run is not resumed

  /// Throws input_error naming the first option that cannot be used, or that the method does not use.
  void check(const policy_gradient& method) const;

  /// With their texts, for a checkpoint.
  std::vector<named_value> values() const;
};

/// Whether a method reads an option of policy_gradient_options, by its name in `values`. Giving one that it does not read is refused.
inline bool reads_option(const policy_gradient& method, std::string_view option) {
  const std::string_view name = name_of(method);
  const auto is_of = [option](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), option) != names.end();
  };
  if (is_of({"gamma", "lam", "whiten_rewards"})) return name == "ppo";
  if (is_of({"kl_coef", "kl_estimator", "adap_kl_ctrl", "target", "horizon"})) return name != "grpo";
  if (is_of({"num_ppo_epochs", "num_mini_batches"})) return name != "reinforce";
  if (option == "baseline_decay") return name == "reinforce";
  return option != "scale_rewards" || name == "grpo";
}

/// A method's hyper-parameters with their texts, for a checkpoint.
inline std::vector<named_value> hyper_parameters(const policy_gradient& method) {
  const auto number = [](auto value) { return detail::exact_text(value); };
  if (const auto* p = std::get_if<ppo>(&method))
    return {{"cliprange", number(p->cliprange)},
            {"cliprange_value", number(p->cliprange_value)},
            {"vf_coef", number(p->vf_coef)},
            {"entropy_coef", number(p->entropy_coef)}};
  if (const auto* r = std::get_if<rloo>(&method)) return {{"epsilon", number(r->epsilon)}, {"epsilon_high", number(r->epsilon_high)}};
  if (const auto* g = std::get_if<grpo>(&method))
    return {{"loss_type", std::string(g->name())},
            {"beta", number(g->beta)},
            {"epsilon", number(g->epsilon)},
            {"epsilon_high", number(g->epsilon_high)},
            {"delta", number(g->delta)},
            {"importance_sampling_level", g->sequence_ratio ? "sequence" : "token"},
            {"use_bias_correction_kl", number(g->use_bias_correction_kl)},
            {"max_completion_length", number(g->max_completion_length)},
            {"sapo_temperature_pos", number(g->sapo_temperature_pos)},
            {"sapo_temperature_neg", number(g->sapo_temperature_neg)},
            {"vespo_k_pos", number(g->vespo_k_pos)},
            {"vespo_lambda_pos", number(g->vespo_lambda_pos)},
            {"vespo_k_neg", number(g->vespo_k_neg)},
            {"vespo_lambda_neg", number(g->vespo_lambda_neg)}};
  return {};
}

inline std::vector<named_value> policy_gradient_options::values() const {
  const auto number = [](auto value) { return detail::exact_text(value); };
  std::string ends;
  for (const token id : end_tokens) ends.append(ends.empty() ? "" : " ").append(std::to_string(id));
  return {{reward_option, reward},
          {"end_tokens", ends},
          {"num_generations", number(num_generations)},
          {"max_new_tokens", number(max_new_tokens)},
          {"num_ppo_epochs", number(num_ppo_epochs)},
          {"num_mini_batches", number(num_mini_batches)},
          {"kl_coef", number(kl_coef)},
          {"kl_estimator", kl == kl_estimator::k1   ? "k1"
                           : kl == kl_estimator::k2 ? "k2"
                                                    : "k3"},
          {"adap_kl_ctrl", number(adap_kl_ctrl)},
          {"target", number(target)},
          {"horizon", number(horizon)},
          {"gamma", number(gamma)},
          {"lam", number(lam)},
          {"whiten_rewards", number(whiten_rewards)},
          {"missing_eos_penalty", number(missing_eos_penalty)},
          {"use_score_scaling", number(use_score_scaling)},
          {"use_score_norm", number(use_score_norm)},
          {"score_clip", number(score_clip)},
          {"early_stopping", number(early_stopping)},
          {"target_kl", number(target_kl)},
          {"baseline_decay", number(baseline_decay)},
          {"scale_rewards", scale_rewards == reward_scale::group   ? "group"
                            : scale_rewards == reward_scale::batch ? "batch"
                                                                   : "none"}};
}

inline void policy_gradient_options::check(const policy_gradient& method) const {
  const policy_gradient_options usual;
  const std::string name(name_of(method));
  const bool groups = name == "rloo" || name == "grpo";
  const auto refuse = detail::refuse_option;
  const auto unused = [&](const char* option, bool given) {
    if (given && !reads_option(method, option)) detail::refuse(option, name + " does not use it", "leave it away");
  };
  std::visit([](const auto& loss) { loss.check(); }, method);
  refuse(num_generations < (groups ? 2 : 1), "num_generations", static_cast<double>(num_generations),
         groups ? "a sample is compared with the others of its prompt; give 2 or more" : "give 1 or more");
  refuse(max_new_tokens < 1, "max_new_tokens", static_cast<double>(max_new_tokens), "give 1 or more");
  refuse(num_ppo_epochs < 1, "num_ppo_epochs", static_cast<double>(num_ppo_epochs), "give 1 or more");
  refuse(num_mini_batches < 1, "num_mini_batches", static_cast<double>(num_mini_batches), "give 1 or more");
  refuse(name == "reinforce" && num_ppo_epochs * num_mini_batches != 1, num_ppo_epochs != 1 ? "num_ppo_epochs" : "num_mini_batches",
         static_cast<double>(num_ppo_epochs != 1 ? num_ppo_epochs : num_mini_batches),
         "reinforce has no ratio that would correct for a policy that has moved since it sampled; give 1");
  unused("kl_coef", kl_coef != usual.kl_coef);
  unused("kl_estimator", kl != usual.kl);
  unused("adap_kl_ctrl", adap_kl_ctrl);
  if (adap_kl_ctrl) {
    adaptive_kl_controller{kl_coef, target, horizon}.check();
  } else {
    fixed_kl_controller{kl_coef}.check();
    for (const auto& [option, given] : {std::pair{"target", target != usual.target}, {"horizon", horizon != usual.horizon}})
      if (given) detail::refuse(option, "only adap_kl_ctrl uses it", "leave it away, or give adap_kl_ctrl");
  }
  unused("gamma", gamma != usual.gamma);
  unused("lam", lam != usual.lam);
  unused("whiten_rewards", whiten_rewards);
  refuse(!(gamma >= 0 && gamma <= 1), "gamma", gamma, "give 0 to 1");
  refuse(!(lam >= 0 && lam <= 1), "lam", lam, "give 0 to 1");
  detail::require_weight("missing_eos_penalty", missing_eos_penalty);
  if (use_score_norm && !use_score_scaling)
    detail::refuse("use_score_norm", "it is a part of use_score_scaling, which is not given", "give both");
  detail::require_weight("score_clip", score_clip);
  if (!early_stopping && target_kl != usual.target_kl)
    detail::refuse("target_kl", "only early_stopping uses it", "leave it away, or give early_stopping");
  detail::require_positive("target_kl", target_kl);
  unused("baseline_decay", baseline_decay != usual.baseline_decay);
  moving_baseline{baseline_decay}.check();
  unused("scale_rewards", scale_rewards != usual.scale_rewards);
}

}  // namespace tilt
