// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "commands.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

struct sft_command {
  explicit sft_command(CLI::App& app) : options(app) {
    run.options.learning_rate = 2e-5;
    add_run(options, run, false);
    options.group("Loss");
    options.add("completion_only_loss", run.completion_only_loss, "predict completions; --no-completion-only-loss: their prompts too");
    options.choice("loss_type", {"nll", "chunked_nll"}, "nll", [](const std::string&) {}, "two names for one loss").is_list = true;
  }

  settings options;
  run_choice run;
};

}  // namespace

void add_sft(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("sft", "Train on demonstrations: prompts with a completion, or texts");
  const auto command = std::make_shared<sft_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] { return run_training(command->options, command->run, [] { return loss_choice(negative_log_likelihood{}); }); };
  });
}

}  // namespace tilt::program
