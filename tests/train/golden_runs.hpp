// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "golden.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include <algorithm>
#include <cstdio>
#include <exception>
#include <tilt/io/examples.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/mixed_objective.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/reward.hpp>
#include <tilt/train/sft.hpp>
#include <vector>

namespace tilt::test {

/// A folder of a run by TRL: run.json, train.jsonl, eval.jsonl.
struct golden_run {
  std::filesystem::path folder;
  json run;

  explicit golden_run(std::filesystem::path at) : folder(std::move(at)), run(read_json((folder / "run.json").string())) {}
  std::string name() const { return folder.filename().string(); }
  const json& options() const { return run["options"]; }
  template <class T> T option(const char* key, T usual) const { return options().contains(key) && !options()[key].is_null() ? options()[key].get<T>() : usual; }

  /// dpo, kto, sft or reward: as run.json says, else as the folder is called.
  std::string trainer() const {
    if (run.contains("trainer")) return run["trainer"];
    return name().substr(0, name().find('_'));
  }
  bool in_float() const { return run.contains("dtype") && run["dtype"] == "float32"; }

  training_options training() const {
    training_options o{.learning_rate = option("learning_rate", 1e-6),
                       .batch_size = option<index>("per_device_train_batch_size", 8),
                       .gradient_accumulation_steps = option<index>("gradient_accumulation_steps", 1),
                       .max_steps = option<index>("max_steps", -1),
                       .num_train_epochs = option("num_train_epochs", 3.0),
                       .lr_scheduler_type = schedule_from_name(option<std::string>("lr_scheduler_type", "linear")),
                       .warmup_steps = option("warmup_steps", 0.0),
                       .optim = optimizer_from_name(option<std::string>("optim", "adamw_torch")),
                       .weight_decay = option("weight_decay", 0.0),
                       .max_grad_norm = option("max_grad_norm", 1.0),
                       .logging_steps = option<index>("logging_steps", 1),
                       .logging_first_step = option("logging_first_step", false),
                       .eval_batch_size = option<index>("per_device_eval_batch_size", 4),
                       .shuffle = false,
                       .max_length = option<index>("max_length", 1024)};
    if (option("sync_ref_model", false)) {
      o.reference = reference_mode::online;
      o.sync_ref_model = true;
      o.ref_model_mixup_alpha = option("ref_model_mixup_alpha", o.ref_model_mixup_alpha);
      o.ref_model_sync_steps = option<index>("ref_model_sync_steps", o.ref_model_sync_steps);
    }
    if (o.optim == optimizer_kind::adamw) {
      o.adam_beta1 = option("adam_beta1", 0.9);
      o.adam_beta2 = option("adam_beta2", 0.999);
      o.adam_epsilon = option("adam_epsilon", 1e-8);
    }
    if (options().contains("lr_scheduler_kwargs")) o.num_cycles = options()["lr_scheduler_kwargs"].value("num_cycles", -1.0);
    return o;
  }
};

/// All runs of a trainer, or of every one, under the golden folder, by name.
inline std::vector<golden_run> golden_runs(const std::string& trainer = "") {
  std::vector<golden_run> runs;
  const std::filesystem::path root = golden_folder() / "runs";
  if (!std::filesystem::exists(root)) return runs;
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (std::filesystem::exists(entry.path() / "run.json")) runs.emplace_back(entry.path());
  std::erase_if(runs, [&](const golden_run& r) { return !trainer.empty() && r.trainer() != trainer; });
  std::sort(runs.begin(), runs.end(), [](const golden_run& a, const golden_run& b) { return a.name() < b.name(); });
  return runs;
}

/// Sets those of the run's options that the loss has. TRL's sigmoid passes label_smoothing over.
template <class Loss> Loss with_options(const golden_run& g, Loss loss) {
  for (const std::string_view name : option_names<Loss>()) {
    const std::string key(name);
    if (!g.options().contains(key) || g.options()[key].is_null() || (g.trainer() == "dpo" && Loss::name == "sigmoid" && key == "label_smoothing")) continue;
    set_option(loss, name, g.options()[key].template get<double>());
  }
  return loss;
}

/// Calls train(objective, train, eval), of numbers of type T, for what the run's options say. Gives what the library lacks for it, and then calls nothing; empty
/// where it lacks nothing.
template <class T, class Train> std::string with_objective(const golden_run& g, const text_encoder& encoder, const Train& train) {
  const std::string trainer = g.trainer();
  if (trainer != "dpo" && trainer != "kto" && trainer != "sft" && trainer != "reward") return "no trainer " + trainer;
  auto train_rows = read_examples(g.folder / "train.jsonl"), eval_rows = read_examples(g.folder / "eval.jsonl");
  const tokenize_options cut{.max_length = g.option<index>("max_length", 1024), .drop_longer = trainer == "reward"};
  if (trainer == "reward") {
    train(reward_objective({g.option("center_rewards_coefficient", 0.0)}), tokenize_pairs(train_rows, encoder, cut).trees, tokenize_pairs(eval_rows, encoder, cut).trees);
    return "";
  }
  if (trainer == "sft") {
    const std::string type = g.option<std::string>("loss_type", "nll");
    if (type != "nll" && type != "chunked_nll" && type != "dft") return "no loss_type " + type;
    if (!g.option("completion_only_loss", true))
      for (auto* part : {&train_rows, &eval_rows})
        for (example& e : *part) {
          e.completion.text = e.prompt.text + e.completion.text;
          e.kind = example_kind::text;
        }
    train(sft_objective(type == "dft" ? sft_loss::dft : sft_loss::nll), tokenize_demonstrations(train_rows, encoder, cut).trees, tokenize_demonstrations(eval_rows, encoder, cut).trees);
    return "";
  }
  if (trainer == "kto") {
    const std::string type = g.option<std::string>("loss_type", "kto");
    const auto train_trees = tokenize_labelled(train_rows, encoder, cut).trees, eval_trees = tokenize_labelled(eval_rows, encoder, cut).trees;
    const bool known = with_loss<labelled_losses>(type, [&](const auto& loss) { train(labelled_objective(with_options(g, loss)), train_trees, eval_trees); });
    return known ? "" : "no loss_type " + type;
  }
  const auto types = g.option<std::vector<std::string>>("loss_type", {"sigmoid"});
  const auto weights = g.option<std::vector<double>>("loss_weights", std::vector<double>(types.size(), 1.0));
  preference_terms terms{.ld_alpha = g.option("ld_alpha", 1.0),
                         .f_divergence_type = divergence_from_name(g.option<std::string>("f_divergence_type", "reverse_kl")),
                         .use_weighting = g.option("use_weighting", false)};
  if (terms.f_divergence_type == divergence::alpha_divergence) terms.f_alpha_divergence_coef = g.option("f_alpha_divergence_coef", 0.5);
  const auto train_trees = tokenize_pairs(train_rows, encoder, cut).trees, eval_trees = tokenize_pairs(eval_rows, encoder, cut).trees;
  mixed_objective<T> objective;
  for (std::size_t k = 0; k < types.size(); ++k) {
    const bool known = with_loss<pair_losses>(types[k], [&]<class Loss>(const Loss& loss) {
      preference_terms own = terms;
      own.loss_weight = weights.at(k);
      if (!takes_ld_alpha<Loss>()) own.ld_alpha = 1;  // TRL's "sft" counts all tokens, whatever stands beside it
      objective.add(preference_objective<Loss>(with_options(g, loss), own));
    });
    if (!known) return "no loss_type " + types[k];
  }
  train(objective, train_trees, eval_trees);
  return "";
}

/// What the library lacks for a run, in some words; empty where it can do it.
inline std::string lacking(const golden_run& g) {
  return with_objective<double>(g, model_folder(data_folder() / "stories260K").encoder(), [](const auto&...) {});
}

/// Bounds of the relative deviation beyond what TRL's own rounding explains (rounding_of_difference).
struct golden_bounds {
  double numbers = 1e-4, updates = 1e-3;
};
/// In float, where every step's weights are off by rounding and the next step begins there.
inline constexpr golden_bounds float_bounds{1e-3, 1e-2};

inline void check_deviations(const golden_run& g, const deviations& d, const golden_bounds& bounds) {
  std::printf("%s: %s", g.name().c_str(), d.text().c_str());
  CHECK(d.keys.size() > 8);  // something was compared
  for (const auto& [key, worst] : d.keys) {
    INFO(g.name() << ": " << key << " deviates by " << worst.relative << " at " << worst.where << ", of which rounding explains " << worst.rounding);
    CHECK(worst.excess() <= (key == "update_norm" ? bounds.updates : bounds.numbers));
  }
}

/// The model that a run begins with: stories260K, and for a reward model the head of the run's score.json. Its padding is the end token.
template <class B> transformer<B> initial_model(const golden_run& g, const model_folder& folder, B& backend) {
  transformer<B> model = load_transformer(folder, backend);
  if (g.trainer() != "reward") return model;
  transformer<B> judge = with_heads(model, scalar_heads, 0);
  const auto score = read_json((g.folder / "score.json").string()).template get<std::vector<double>>();
  judge.set(judge.parameters().back(), std::span<const double>(score));
  return judge;
}

/// Does a run again on backend B, the first `steps` steps or all of it.
template <class B> void check_run(const golden_run& g, index steps = -1, const golden_bounds& bounds = {}) {
  B backend;
  const model_folder folder(data_folder() / "stories260K");
  transformer<B> policy = initial_model(g, folder, backend);
  const std::string missing = with_objective<typename B::scalar>(g, folder.encoder(), [&]<class Objective>(const Objective& objective, const std::vector<prompt_tree>& train, const std::vector<prompt_tree>& eval) {
    trainer<B, Objective> t(policy, objective, g.training());
    check_deviations(g, compare_run(g.run, g.option("beta", 0.1), t, train, eval, steps), bounds);
  });
  INFO(g.name());
  CHECK(missing == "");
}

template <class B> void check_named(const char* name, index steps = -1, const golden_bounds& bounds = {}) {
  const std::filesystem::path folder = golden_folder() / "runs" / name;
  TILT_SKIP_WITHOUT(folder);
  TILT_SKIP_WITHOUT(data_folder() / "stories260K");
  check_run<B>(golden_run(folder), steps, bounds);
}

// What other runs there are is known only when the tests run, and CTest's verdict is of a test case as a whole. So the runs that the
// library can do and those that it cannot are judged in two test cases: were they one, a run that is left out would either pass with the
// others or have them all count as skipped. In the first, what one run throws does not end the rest.

/// Every run of a trainer that has no test case of its own and that the library can do.
template <class B> void check_others(const std::string& trainer, const std::vector<std::string>& named) {
  TILT_SKIP_WITHOUT(data_folder() / "stories260K");
  bool any = false;
  for (const golden_run& g : golden_runs(trainer)) {
    if (std::find(named.begin(), named.end(), g.name()) != named.end()) continue;
    try {
      if (!lacking(g).empty()) continue;
      any = true;
      check_run<B>(g, -1, g.in_float() ? float_bounds : golden_bounds{});
    } catch (const std::exception& e) {
      any = true;
      FAIL_CHECK(g.name() << ": " << e.what());
    }
  }
  if (!any) TILT_SKIP("no further runs of " + trainer);
}

/// The runs of all trainers that the library cannot do, and why: skipped, since none of their values is compared. A run that cannot even
/// be read has failed in check_others, or, of an unknown trainer, fails here.
inline void name_lacking() {
  TILT_SKIP_WITHOUT(golden_folder() / "runs");
  TILT_SKIP_WITHOUT(data_folder() / "stories260K");
  std::string all;
  for (const golden_run& g : golden_runs()) {
    const std::string missing = lacking(g);
    if (!missing.empty()) all += (all.empty() ? "" : "; ") + g.name() + " (the library has " + missing + ")";
  }
  if (!all.empty()) TILT_SKIP("not compared: " + all);
}

}  // namespace tilt::test
