// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <CLI/App.hpp>
#include <functional>

namespace tilt::program {

/// What the chosen subcommand does, once all options are read; returns the exit status.
using action = std::function<int()>;

// Each adds its subcommand to the program: the options, and what to do, which the subcommand's callback puts into `chosen`.
void add_demo(CLI::App& program, action& chosen);
void add_dpo(CLI::App& program, action& chosen);
void add_kto(CLI::App& program, action& chosen);
void add_sft(CLI::App& program, action& chosen);
void add_reward(CLI::App& program, action& chosen);
void add_policy_gradients(CLI::App& program, action& chosen);
void add_score(CLI::App& program, action& chosen);
void add_check(CLI::App& program, action& chosen);
void add_generate(CLI::App& program, action& chosen);
void add_prefer(CLI::App& program, action& chosen);
void add_iterate(CLI::App& program, action& chosen);
void add_compare(CLI::App& program, action& chosen);
void add_tokenize(CLI::App& program, action& chosen);
void add_losses(CLI::App& program, action& chosen);
void add_sweep(CLI::App& program, action& chosen);
void add_claims(CLI::App& program, action& chosen);
void add_backends(CLI::App& program, action& chosen);

/// What was compiled in, as `tilt --version` prints it.
std::string version_text();

}  // namespace tilt::program
