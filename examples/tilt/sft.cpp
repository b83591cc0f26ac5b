// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <tilt/train/sft.hpp>

#include "commands.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Examples are JSONL, a JSON list, or either gzipped: {"prompt", "completion"}, {"text"}, {"messages"}, or pairs, of which the chosen
response counts. The end token is appended.

  tilt sft --model SmolLM2 --train demonstrations.jsonl --output SmolLM2-sft --learning-rate 2e-5)";

struct sft_command {
  explicit sft_command(CLI::App& app) : options(app) {
    run.options.learning_rate = 2e-5;
    add_run(options, run, false, [this] { add_loss(); });
  }
  void add_loss() {
    options.add("completion_only_loss", run.completion_only_loss, "predict completions, not their prompts");
    options
        .choice(
            "loss_type", {"nll", "chunked_nll", "dft"}, "nll",
            [this](const std::string& name) { loss = name == "dft" ? sft_loss::dft : sft_loss::nll; },
            "dft weighs every token by its probability; the others are one loss")
        .is_list = true;
  }

  settings options;
  run_choice run;
  sft_loss loss = sft_loss::nll;
};

}  // namespace

void add_sft(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("sft", "Train on demonstrations: prompts with a completion, or texts");
  app.footer(more);
  const auto command = std::make_shared<sft_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] {
      return run_training(command->options, command->run, [command](training_job& job) {
        job.objective = choice_of(data_shape::demonstrations, sft_objective(command->loss));
      });
    };
  });
}

}  // namespace tilt::program
