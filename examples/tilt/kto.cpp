// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "commands.hpp"
#include "loss_settings.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

struct kto_command {
  explicit kto_command(CLI::App& app) : options(app), hyper(options) {
    add_run(options, run, true);
    options.group("Loss");
    options.choice("loss_type", {"kto"}, "kto", [](const std::string&) {}, "the loss").is_list = true;
    hyper.add_number("beta", 0.1, "how firmly the reference holds the policy");
    hyper.add_number("desirable_weight", 1, "weight of the responses that were called good");
    hyper.add_number("undesirable_weight", 1, "weight of the responses that were called bad");
  }

  settings options;
  loss_settings hyper;
  run_choice run;
};

}  // namespace

void add_kto(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("kto", "Train on single responses that were called good or bad (KTO)");
  const auto command = std::make_shared<kto_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] { return run_training(command->options, command->run, [command] { return loss_choice(command->hyper.make<kto>()); }); };
  });
}

}  // namespace tilt::program
