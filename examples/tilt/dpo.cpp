// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <tilt/error.hpp>
#include <tilt/loss/any_pair_loss.hpp>
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
    loss.emplace(options, "sigmoid", "sigmoid is DPO; of several the sum is taken, and sft may stand beside them",
                 std::vector<std::string>{"sft"});
    options.add("loss_weights", weights, "weights of the losses of loss_type, in their order [1 each]");
    options.add("sft_weight", terms.sft_weight, "weight of the chosen responses' negative log-likelihood, beside the loss");
    options.add("ld_alpha", terms.ld_alpha, "LD-DPO: weight of tokens beyond the shorter response's length");
  }

  void choose(training_job& job) {
    const std::vector<std::string>& types = loss->chosen();
    if (!weights.empty() && weights.size() != types.size())
      throw input_error("loss_weights: there are " + std::to_string(weights.size()) + " of them and " + std::to_string(types.size()) +
                        " losses in loss_type; give as many");
    std::vector<std::string> names;
    std::vector<double> shares;
    for (std::size_t i = 0; i < types.size(); ++i) {
      const double weight = weights.empty() ? 1 : weights[i];
      if (types[i] != "sft") {
        names.push_back(types[i]);
        shares.push_back(weight);
      } else {
        options.refuse("sft_weight", "loss_type has sft, whose weight is among loss_weights");
        terms.sft_weight = weight;
      }
    }
    if (names.empty()) throw input_error("loss_type: there is no pair loss beside sft; give one, or take tilt sft");
    std::vector<std::pair<any_pair_loss, double>> parts;
    loss->make(names, [&](const auto& chosen) { parts.emplace_back(chosen, shares[parts.size()]); });
    if (parts.size() == 1) terms.loss_weight = shares[0];
    terms.check();
    const any_pair_loss whole = parts.size() == 1 ? parts[0].first : any_pair_loss(weighted_losses(std::move(parts)));
    job.objective = choice_of(data_shape::pairs, preference_objective<any_pair_loss>(whole, terms));
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
