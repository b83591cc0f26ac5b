// SPDX-License-Identifier: Apache-2.0
#include "model_plan.hpp"

#include <map>

namespace tilt::program {

frontier_sizes model_sizes() {
  return {.comparisons = 8,
          .epochs = 1,
          .judge_epochs = 3,
          .batch = 16,
          .steps = 36,
          .step_samples = 48,
          .ppo_epochs = 2,
          .samples = 32,
          .pool = 128,
          .seeds = 3,
          .learning_rates = {1e-4, 6e-4},
          .grid_seeds = 2,
          .prompts = 48,
          .held_out = 16,
          .prompt_tokens = 20,
          .new_tokens = 32};
}

std::vector<frontier_method> model_methods() {
  static const std::map<std::string, std::vector<double>> strengths = {
      {"dpo", {2, 1, 0.5}},           {"ipo", {0.5, 0.1}},         {"kto", {1, 0.5}},    {"unlikelihood", {0.03, 0.1}},
      {"ppo-learned", {1, 0.5, 0.2}}, {"ppo-true", {1, 0.5, 0.2}}, {"rloo", {0.5, 0.2}}, {"best-of-learned", {2, 4, 8}},
      {"best-of-true", {2, 4, 8}}};
  std::vector<frontier_method> methods;
  for (frontier_method m : frontier_methods()) {
    const auto found = strengths.find(m.name);
    if (found == strengths.end()) continue;
    m.strengths = found->second;
    m.learning_rate = m.kind == frontier_kind::policy_gradient ? 2e-4 : 3e-4;
    methods.push_back(std::move(m));
  }
  return methods;
}

}  // namespace tilt::program
