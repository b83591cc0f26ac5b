// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <tilt/train/options.hpp>

#include "session.hpp"
#include "settings.hpp"

namespace tilt::program {

/// What the subcommands that train are told alike.
struct run_choice {
  std::string model, train, eval, output, reference_model;
  index max_length = 1024;      ///< tokens of prompt and response together; 0: no limit
  index max_prompt_length = 0;  ///< 0: no limit
  bool drop_longer = false;     ///< leave examples out that max_length would cut
  bool drop_empty = false;      ///< leave examples without a completion out, instead of refusing them
  bool completion_only_loss = true;
  bool on_prompts = false;   ///< the run makes its own responses to prompts
  bool makes_pairs = false;  ///< of these responses, and trains on the pairs
  bool plan = false;         ///< say what memory the run will take, and do not run
  bool resume = false;
  std::string resume_from;  ///< a checkpoint; empty: the last one in `output`
  compute machine;
  training_options options{.eval_on_start = true};

  // As TRL says when to evaluate and to save, where a file does.
  std::optional<std::string> eval_strategy, save_strategy;
};

/// Adds --backend: the names of what was compiled in, the first the default. For one that was left out, the error says what it needs.
void add_backend(settings& s, std::string& backend);

/// Adds --backend, --dtype, --threads.
void add_compute(settings& s, compute& machine);

/// Adds the options of training to a subcommand; `reference` for losses that have one, whose options `add_loss` adds. Values in `choice`
/// are the defaults.
void add_run(settings& s, run_choice& choice, bool reference, const std::function<void()>& add_loss);

/// After settings::apply: fits the options to each other. Throws input_error, in the words of who gave them.
void settle_run(settings& s, run_choice& choice);

}  // namespace tilt::program
