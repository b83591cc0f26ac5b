// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "commands.hpp"
#include "preference_loss.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Examples are JSONL, a JSON list, or either gzipped: {"prompt", "chosen", "rejected"}; {"chosen", "rejected"}, whose common beginning is
the prompt; the same with lists of messages; or ShareGPT's conversations. The end token is appended to each response.

  tilt dpo --model SmolLM2 --train pairs.jsonl --eval held_out.jsonl --output SmolLM2-dpo --beta 0.1 --learning-rate 5e-7
  tilt dpo --config dpo.yaml --train pairs.jsonl --save-steps 100      later: the same with --resume)";

struct dpo_command {
  explicit dpo_command(CLI::App& app) : options(app), loss(options) {
    add_run(options, run, true, [this] { loss.add(); });
  }

  settings options;
  run_choice run;
  preference_loss loss;
};

}  // namespace

void add_dpo(CLI::App& program, action& chosen) {
  CLI::App& app =
      *program.add_subcommand("dpo", "Train on preferences: pairs of a chosen and a rejected response, or rankings (DPO and its kin)");
  app.footer(more);
  const auto command = std::make_shared<dpo_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] {
      return run_training(command->options, command->run, [command](training_job& job) { command->loss.choose(job); });
    };
  });
}

}  // namespace tilt::program
