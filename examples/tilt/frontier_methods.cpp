// SPDX-License-Identifier: Apache-2.0
// The methods that are compared, with their strengths and hyper-parameters.
#include "frontier_plan.hpp"

#include <algorithm>
#include <tilt/train/reward.hpp>

namespace tilt::program {

const std::vector<frontier_method>& frontier_methods() {
  using kind = frontier_kind;
  using data = frontier_data;
  static constexpr auto proximal = [](double) -> policy_gradient { return ppo{.vf_coef = 0.5}; };
  static const std::vector<frontier_method> methods = {
      {.name = "dpo",
       .label = "DPO",
       .colour = "#0072b2",
       .strength = "β",
       .strengths = {2, 1, 0.5, 0.2},
       .grid_strength = 0.5,
       .objective = [](double beta) -> any_objective<float> { return preference_objective<dpo>(dpo{.beta = beta}); }},
      {.name = "ipo",
       .label = "IPO",
       .colour = "#d55e00",
       .strength = "β",
       .strengths = {0.5, 0.2, 0.1, 0.05},
       .grid_strength = 0.1,
       .objective = [](double beta) -> any_objective<float> {
         return preference_objective<ipo>(ipo{.beta = beta, .token_average = false});
       }},
      {.name = "kto",
       .label = "KTO",
       .colour = "#aa4499",
       .strength = "β",
       .strengths = {2, 1, 0.5, 0.2},
       .grid_strength = 0.5,
       .data = data::verdicts,
       .objective = [](double beta) -> any_objective<float> { return labelled_objective<kto>(kto{.beta = beta}); }},
      {.name = "unlikelihood",
       .label = "DPO and unlikelihood",
       .strength = "w",
       .strengths = {0.01, 0.03, 0.1, 0.3},
       .grid_strength = 0.03,
       .data = data::lists,
       .objective = [](double w) -> any_objective<float> {
         return list_objective<dpo_negatives>(dpo_negatives{.beta = 1, .negative_weight = w});
       }},
      {.name = "ppo-learned",
       .label = "PPO, learned reward",
       .colour = "#009e73",
       .kind = kind::policy_gradient,
       .strength = "β",
       .strengths = {2, 1, 0.5, 0.2},
       .grid_strength = 0.5,
       .algorithm = proximal},
      {.name = "ppo-true",
       .label = "PPO, true reward",
       .colour = "#117733",
       .kind = kind::policy_gradient,
       .strength = "β",
       .strengths = {2, 1, 0.5, 0.2},
       .grid_strength = 0.5,
       .true_reward = true,
       .algorithm = proximal},
      {.name = "rloo",
       .label = "RLOO, learned reward",
       .colour = "#ddaa33",
       .kind = kind::policy_gradient,
       .strength = "β",
       .strengths = {1, 0.5, 0.2},
       .grid_strength = 0.5,
       .algorithm = [](double) -> policy_gradient { return rloo{}; },
       .samples_of_prompt = 4},
      {.name = "grpo",
       .label = "GRPO, learned reward",
       .colour = "#882255",
       .kind = kind::policy_gradient,
       .strength = "β",
       .strengths = {1, 0.5, 0.2},
       .grid_strength = 0.5,
       .algorithm = [](double beta) -> policy_gradient { return grpo{.beta = beta}; },
       .samples_of_prompt = 4},
      {.name = "best-of-learned",
       .label = "best of N, learned reward",
       .colour = "#999999",
       .kind = kind::best_of,
       .strength = "N",
       .strengths = {2, 4, 8, 16}},
      {.name = "best-of-true",
       .label = "best of N, true reward",
       .colour = "#555555",
       .kind = kind::best_of,
       .strength = "N",
       .strengths = {2, 4, 8, 16},
       .true_reward = true},
      {.name = "differentiated",
       .label = "r − β·KL differentiated",
       .kind = kind::differentiated,
       .strength = "β",
       .strengths = {0.5},
       .learning_rate = 1e-5,
       .grid_strength = 0.5,
       .true_reward = true}};
  return methods;
}

namespace {

std::vector<std::string> names_of(const std::vector<named_value>& values) {
  std::vector<std::string> names;
  for (const named_value& v : values) names.push_back(v.name);
  return names;
}

std::vector<std::string> without(std::vector<std::string> names, const std::vector<std::string>& others) {
  std::erase_if(names, [&](const std::string& name) { return std::find(others.begin(), others.end(), name) != others.end(); });
  return names;
}

}  // namespace

std::vector<std::string> hyper_parameters_of(const frontier_method& m) {
  if (m.kind == frontier_kind::offline)
    return without(names_of(m.objective(m.grid_strength).hyper_parameters()), names_of(preference_terms{}.values()));
  if (m.kind != frontier_kind::policy_gradient) return {m.strength};
  const policy_gradient algorithm = m.algorithm(m.grid_strength);
  std::vector<std::string> names = names_of(hyper_parameters(algorithm));
  const std::vector<std::string> of_task = {"reward_model", "end_tokens", "max_new_tokens"};  // what is scored, and how long it may be
  for (const std::string& name : without(names_of(policy_gradient_options{}.values()), of_task))
    if (reads_option(algorithm, name)) names.push_back(name);
  return names;
}

std::vector<std::string> hyper_parameters_of_reward_model() { return names_of(reward_objective{}.hyper_parameters()); }

}  // namespace tilt::program
