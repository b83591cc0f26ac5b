// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <tilt/error.hpp>
#include <tilt/train/kto.hpp>
#include <vector>

#include "commands.hpp"
#include "loss_settings.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Examples are JSONL, a JSON list, or either gzipped: {"prompt", "completion", "label": true or false}, the same with lists of messages, or
pairs, which count as a good and a bad response each. The end token is appended to each response.

  tilt kto --model SmolLM2 --train judged.jsonl --output SmolLM2-kto --beta 0.1 --undesirable-weight 1.33)";

struct kto_command {
  explicit kto_command(CLI::App& app) : options(app) {
    add_run(options, run, true, [this] {
          loss.emplace(options, "kto", "the loss", losses_elsewhere<preference_losses>("dpo", "pairs or rankings"));
        });
  }

  settings options;
  run_choice run;
  std::optional<loss_settings<labelled_losses>> loss;
};

}  // namespace

void add_kto(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("kto", "Train on single responses that were called good or bad (KTO)");
  app.footer(more);
  const auto command = std::make_shared<kto_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] {
      return run_training(command->options, command->run, [command](training_job& job) {
        const std::vector<std::string>& names = command->loss->chosen();
        if (names.size() > 1) throw input_error("loss_type: there are " + std::to_string(names.size()) + " losses; give one");
        command->loss->make(
            names, [&job]<class L>(const L& loss) { job.objective = choice_of(data_shape::labelled, labelled_objective<L>(loss)); });
      });
    };
  });
}

}  // namespace tilt::program
