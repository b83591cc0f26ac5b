// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/train/run_settings.hpp>

#include "frontier_plan.hpp"

namespace tilt::program {

/// What a comparison's numbers depend on, with texts: a folder's files are of one such list.
inline std::vector<named_value> options_of(const frontier_job& job) {
  const auto number = [](auto value) { return detail::exact_text(value); };
  std::string rates;
  for (const double rate : job.sizes.learning_rates) rates.append(rates.empty() ? "" : " ").append(number(rate));
  const frontier_sizes& s = job.sizes;
  return {{"model", job.model},
          {"seed", number(job.seed)},
          {"backend", job.backend},
          {"hidden", number(s.hidden)},
          {"language", number(s.language)},
          {"comparisons", number(s.comparisons)},
          {"epochs", number(s.epochs)},
          {"judge_epochs", number(s.judge_epochs)},
          {"judge_learning_rate", number(s.judge_learning_rate)},
          {"batch", number(s.batch)},
          {"steps", number(s.steps)},
          {"step_samples", number(s.step_samples)},
          {"ppo_epochs", number(s.ppo_epochs)},
          {"samples", number(s.samples)},
          {"pool", number(s.pool)},
          {"seeds", number(s.seeds)},
          {"learning_rates", rates},
          {"grid_seeds", number(s.grid_seeds)},
          {"prompts", number(s.prompts)},
          {"held_out", number(s.held_out)},
          {"prompt_tokens", number(s.prompt_tokens)},
          {"new_tokens", number(s.new_tokens)}};
}

}  // namespace tilt::program
