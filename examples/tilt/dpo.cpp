// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <tilt/error.hpp>
#include <tilt/train/mixed_objective.hpp>
#include <tilt/train/preference.hpp>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "loss_settings.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Examples are JSONL, a JSON list, or either gzipped: {"prompt", "chosen", "rejected"}; {"chosen", "rejected"}, whose common beginning is
the prompt; the same with lists of messages; or ShareGPT's conversations. The end token is appended to each response.

  tilt dpo --model SmolLM2 --train pairs.jsonl --eval held_out.jsonl --output SmolLM2-dpo --beta 0.1 --learning-rate 5e-7
  tilt dpo --config dpo.yaml --train pairs.jsonl --save-steps 100      later: the same with --resume)";

struct dpo_command {
  explicit dpo_command(CLI::App& app) : options(app) {
    add_run(options, run, true, [this] { add_loss(); });
  }
  void add_loss() {
    loss.emplace(options, "sigmoid", "sigmoid is DPO; of several the sum is taken");
    options.add("loss_weights", weights, "weights of the losses of loss_type, in their order [1 each]");
    options.add("ld_alpha", terms.ld_alpha, "LD-DPO: weight of tokens beyond the shorter response's length");
  }

  void choose(training_job& job) {
    const std::vector<std::string>& types = loss->chosen();
    if (!weights.empty() && weights.size() != types.size())
      throw input_error("loss_weights: there are " + std::to_string(weights.size()) + " of them and " + std::to_string(types.size()) +
                        " losses in loss_type; give as many");
    double total = 0;
    for (const double weight : weights) total += weight;
    if (!weights.empty() && total == 0) throw input_error("loss_weights: all are 0, which leaves nothing to learn; give one a positive weight");
    mixed_objective<float> in_float;
    mixed_objective<double> in_double;
    std::size_t at = 0;
    loss->make(types, [&]<class L>(const L& chosen) {
      preference_terms own = terms;
      if (!weights.empty()) own.loss_weight = weights[at];
      ++at;
      // What is of whole responses, as TRL's "sft", counts all their tokens whatever stands beside it.
      if (!takes_ld_alpha<L>() && types.size() > 1) own.ld_alpha = 1;
      const preference_objective<L> part(chosen, own);
      in_float.add(part);
      in_double.add(part);
    });
    job.objective = {data_shape::pairs, [in_float] { return in_float; }, [in_double] { return in_double; }};
  }

  settings options;
  run_choice run;
  std::optional<loss_settings<pair_losses>> loss;
  std::vector<double> weights;
  preference_terms terms;
};

}  // namespace

void add_dpo(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("dpo", "Train on preferences: pairs of a chosen and a rejected response (DPO, IPO, hinge)");
  app.footer(more);
  const auto command = std::make_shared<dpo_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] { return run_training(command->options, command->run, [command](training_job& job) { command->choose(job); }); };
  });
}

}  // namespace tilt::program
