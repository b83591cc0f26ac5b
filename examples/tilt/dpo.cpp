// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "commands.hpp"
#include "loss_settings.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

struct dpo_command {
  explicit dpo_command(CLI::App& app) : options(app), hyper(options) {
    add_run(options, run, true);
    options.group("Loss");
    options.choice("loss_type", {"sigmoid", "hinge", "ipo"}, loss_type, [this](const std::string& name) { loss_type = name; }, "sigmoid is DPO").is_list = true;
    hyper.add_number("beta", 0.1, "how firmly the reference holds the policy; of IPO: tau");
    hyper.add_number("label_smoothing", 0, "share of labels that are thought to be the wrong way round (sigmoid)");
    hyper.add_flag("token_average", true, "divide log-ratios by the response's length, as TRL does; --no-token-average: the paper's sums (ipo)");
  }

  loss_choice loss() const {
    if (loss_type == "hinge") return hyper.make<hinge>();
    if (loss_type == "ipo") return hyper.make<ipo>();
    return hyper.make<dpo>();
  }

  settings options;
  loss_settings hyper;
  run_choice run;
  std::string loss_type = "sigmoid";
};

}  // namespace

void add_dpo(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("dpo", "Train on preferences: pairs of a chosen and a rejected response (DPO, IPO, hinge)");
  const auto command = std::make_shared<dpo_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] { return run_training(command->options, command->run, [command] { return command->loss(); }); };
  });
}

}  // namespace tilt::program
