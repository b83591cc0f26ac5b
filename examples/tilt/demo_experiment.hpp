// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/train/sft.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>

#include "demo_job.hpp"
#include "demo_measure.hpp"
#include "progress.hpp"
#include "table.hpp"

namespace tilt::program {

inline std::string demo_number(double beta) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", beta);
  return text;
}

/// One trained policy, or the reference itself.
struct demo_row {
  std::string method;
  double beta = 0;
  standing measured;
  bool has_aim = false;
  bool shown = false;                     ///< among the samples: each loss once
  optimum aim;                            ///< what theory says the loss comes to with endless data and training
  optimum best;                           ///< the most reward that any policy can have at the measured KL
  std::vector<std::vector<token>> texts;  ///< a sample for each of the first prompts
};

struct demo_outcome {
  std::vector<std::vector<token>> prompts;  ///< held out
  demo_row reference;
  std::vector<demo_row> rows;
  std::vector<std::pair<double, optimum>> frontier;  ///< π_ref·exp(r/β)/Z for falling β
  index weights = 0, sentences_learnt = 0;
  double inside = 0;         ///< probability that a text of the reference is a sentence
  double cross_entropy = 0;  ///< of the language under the reference, nats a sentence
  double entropy = 0;        ///< of the language
  preference_data data;
};

/// The DPO paper's controlled experiment (Rafailov et al. 2023, arXiv 2305.18290, section 6.1) in miniature, on any backend.
template <class B> class demo_experiment {
  using T = typename B::scalar;

 public:
  demo_experiment(B& backend, const demo_sizes& sizes, std::uint64_t seed) : sizes_(sizes), seed_(seed), model_(backend, config()) {
    for (const auto* b : beginnings(world_, true)) outcome_.prompts.push_back(b->tokens);
  }

  const demo_world& world() const { return world_; }

  demo_outcome run(const std::vector<demo_method>& methods) {
    const std::vector<prompt_tree> language = language_trees(world_, sizes_.language, seed_);
    const auto texts = [](std::span<const prompt_tree> trees, double epochs) {
      index count = 0;
      for (const prompt_tree& t : trees) count += static_cast<index>(t.responses.size());
      return static_cast<index>(epochs * static_cast<double>(count));
    };
    index runs = 0;
    for (const demo_method& m : methods) runs += static_cast<index>(m.betas.size());
    const auto trained = static_cast<index>(beginnings(world_, false).size());
    const index each = sizes_.comparisons * trained * samples_compared;  // an estimate, until the samples are there
    progress bar("demo", texts(language, language_epochs) + runs * each, {.unit = "texts"});

    outcome_.weights = model_.size();
    outcome_.sentences_learnt = texts(language, 1);
    model_.initialize(seed_);
    train(sft_objective(), model_, language_options(), language, "language", bar, texts(language, language_epochs));

    const exact_reference exact(world_, model_, outcome_.prompts);
    examine_language(exact);
    outcome_.reference = row("reference", 0, model_, exact);

    std::vector<std::vector<token>> prompts;
    for (index c = 0; c < sizes_.comparisons; ++c)
      for (const auto* b : beginnings(world_, false)) prompts.push_back(b->tokens);
    outcome_.data = compare(
        world_, prompts,
        tokens_of(generate(model_, std::span<const std::vector<token>>(prompts), samples_compared, generation(comparison_seed))), seed_);

    for (const demo_method& m : methods)
      for (const double beta : m.betas) {
        const std::string note = m.name + "  beta " + demo_number(beta);
        transformer<B> policy = model_.clone();
        train(m.objective(beta), policy, m.labelled ? verdict_options() : preference_options(),
              m.labelled ? outcome_.data.verdicts : outcome_.data.trees, note, bar, each);
        demo_row r = row(m.name, beta, policy, exact);
        r.has_aim = m.aim != demo_aim::none;
        if (r.has_aim) r.aim = m.aim == demo_aim::win_rate ? exact.of_win_rate(beta) : exact.of_reward(beta);
        r.shown = beta == m.betas[m.betas.size() / 2];
        outcome_.rows.push_back(std::move(r));
      }
    for (double beta = 50; beta > 0.09; beta *= 0.9) outcome_.frontier.emplace_back(beta, exact.of_reward(beta));
    return std::move(outcome_);
  }

 private:
  static constexpr double language_epochs = 2;
  static constexpr index samples_compared = 4, texts_shown = 4;
  static constexpr std::uint64_t comparison_seed = 1, fresh_seed = 2;

  model_config config() const {
    model_config c;
    c.vocab_size = world_.vocabulary();
    c.hidden_size = 96;
    c.intermediate_size = 256;
    c.num_hidden_layers = 2;
    c.num_attention_heads = 4;
    c.num_key_value_heads = 2;
    c.head_dim = 24;
    c.max_position_embeddings = 16;
    c.eos_token_id = demo_world::full_stop;
    return c;
  }
  training_options language_options() const {
    return {.learning_rate = 2e-3,
            .batch_size = 16,
            .num_train_epochs = language_epochs,
            .lr_scheduler_type = schedule_kind::cosine,
            .warmup_steps = 10,
            .adam_beta2 = 0.95,
            .seed = seed_};
  }
  /// The large epsilon leaves weights alone whose gradient is noise: otherwise Adam moves all of them alike, and with them the texts that
  /// are in no pair.
  training_options preference_options() const {
    return {.learning_rate = 1e-3,
            .batch_size = 64,
            .num_train_epochs = 1,
            .lr_scheduler_type = schedule_kind::cosine,
            .warmup_steps = 10,
            .adam_beta2 = 0.95,
            .adam_epsilon = 1e-3,
            .seed = seed_};
  }
  /// As many samples in a step as for the pairs.
  training_options verdict_options() const {
    training_options options = preference_options();
    options.batch_size *= samples_compared;
    return options;
  }
  generation_options generation(std::uint64_t which) const { return {.max_new_tokens = world_.longest() + 2, .seed = seed_ * 16 + which}; }

  void train(any_objective<T> objective, transformer<B>& policy, const training_options& options, std::span<const prompt_tree> trees,
             const std::string& what, progress& bar, index texts) {
    trainer<B, any_objective<T>> run(policy, std::move(objective), options);
    auto steps = run.run(trees);
    for (const step_report& step : steps)
      bar.update(done_ + texts * step.step / run.total_steps(), what + "  loss " + decimal(step.metrics["loss"]));
    done_ += texts;
  }

  demo_row row(const std::string& method, double beta, transformer<B>& policy, const exact_reference& exact) {
    demo_row r;
    r.method = method;
    r.beta = beta;
    const generation_options options = generation(fresh_seed);
    r.measured = measure(world_, policy, model_, outcome_.prompts, sizes_.samples, options);
    r.best = exact.at_kl(std::max(0.0, r.measured.kl.value));
    const std::span<const std::vector<token>> shown(outcome_.prompts.data(), texts_shown);
    for (const auto& of_prompt : generate(policy, shown, 1, options)) r.texts.push_back(of_prompt[0].tokens);
    return r;
  }

  /// How well the reference knows the language, exactly: over all sentences, for the prompts that it has not seen.
  void examine_language(const exact_reference& exact) {
    const double prompts = static_cast<double>(outcome_.prompts.size());
    std::size_t p = 0;
    for (const auto* beginning : beginnings(world_, true)) {
      const auto& language = world_.probabilities(beginning->mood);
      const auto logps = exact.logps(p++);
      outcome_.inside += (1 - std::exp(logps.back())) / prompts;
      for (std::size_t c = 0; c < language.size(); ++c) {
        outcome_.cross_entropy -= language[c] * logps[c] / prompts;
        outcome_.entropy -= language[c] * std::log(language[c]) / prompts;
      }
    }
  }

  demo_sizes sizes_;
  std::uint64_t seed_;
  demo_world world_;
  transformer<B> model_;
  demo_outcome outcome_;
  index done_ = 0;
};

}  // namespace tilt::program
