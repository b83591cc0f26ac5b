// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <tilt/train/preference.hpp>

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
    loss.emplace(options, "sigmoid", "sigmoid is DPO");
    setting& type = loss->type();
    type.read_json = [this, read = type.read](const nlohmann::json& value) { read_types(value, read); };
    options.file_only("loss_weights", [this](const nlohmann::json& value) { weights = value; });
    options.add("sft_weight", terms.sft_weight, "weight of the chosen responses' negative log-likelihood, beside the loss");
    options.add("ld_alpha", terms.ld_alpha, "LD-DPO: weight of tokens beyond the shorter response's length");
  }

  /// A loss, or as in TRL a list of them: a pair loss, and "sft" beside it.
  void read_types(const nlohmann::json& value, const std::function<void(const std::string&)>& read) {
    types = value.is_array() ? value : nlohmann::json::array({value});
    bool chosen = false;
    for (const nlohmann::json& type : types) {
      if (!type.is_string()) throw input_error(type.dump() + " is no loss; give a name or a list of names");
      const std::string name = type.get<std::string>();
      if (name == "sft") continue;
      if (chosen) throw input_error(value.dump() + " has two pair losses; give one, with \"sft\" beside it or without");
      read(name);
      chosen = true;
    }
    if (!chosen) throw input_error(value.dump() + " has no pair loss; give one, or take tilt sft");
    if (types.size() > 1) terms.sft_weight = 1;
  }
  void read_weights() {
    if (weights.is_null()) return;
    const std::string& source = options["loss_weights"].source;
    if (types.is_null()) types = nlohmann::json::array({loss->chosen()});
    if (!weights.is_array() || weights.size() != types.size())
      throw input_error(source + ": " + weights.dump() + " is no weight for each loss of loss_type; give a list as long as that");
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (!weights[i].is_number()) throw input_error(source + ": " + weights[i].dump() + " is not a number; give one such as 1.0");
      (types[i] == "sft" ? terms.sft_weight : terms.loss_weight) = weights[i].get<double>();
    }
  }

  void choose(training_job& job) {
    if (!options["sft_weight"].given()) read_weights();
    terms.check();
    loss->make([&]<class L>(const L& chosen) { job.objective = choice_of(data_shape::pairs, preference_objective<L>(chosen, terms)); });
  }

  settings options;
  run_choice run;
  std::optional<loss_settings<pair_losses>> loss;
  nlohmann::json types, weights;
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
