// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <tilt/data/pack.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/train/any_objective.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/resident_memory.hpp>
#include <tilt/train/sft.hpp>

#include "row.hpp"
#include "shapes.hpp"

namespace tilt::bench {

/// `count` prompts, each with responses of the given lengths and the preference of the first to the second where there are two.
inline std::vector<prompt_tree> random_trees(index count, index prompt, const std::vector<index>& responses, index vocabulary) {
  std::minstd_rand random(2);
  const auto text = [&](index length) {
    std::vector<token> tokens(static_cast<std::size_t>(length));
    for (token& t : tokens) t = static_cast<token>(random() % static_cast<unsigned>(vocabulary));
    return tokens;
  };
  std::vector<prompt_tree> trees(static_cast<std::size_t>(count));
  for (prompt_tree& tree : trees) {
    tree.prompt = text(prompt);
    for (const index length : responses) tree.responses.push_back({text(length)});
    if (responses.size() == 2) tree.edges.push_back({0, 1});
  }
  return trees;
}

/// Random weights of the size that initialisation gives them; norms are 1.
template <backend B> void randomize(transformer<B>& model) {
  for (const parameter& p : model.parameters())
    model.set(p, std::span<const float>(p.decays ? random_numbers(p.count, 0.035f)
                                                 : std::vector<float>(static_cast<std::size_t>(p.count), 1.0f)));
}

/// A run of training on one batch, as a user of the library begins it. The first step, which is the constructor's, sizes all memory and
/// computes the cached reference.
template <backend B> class training_run {
 public:
  training_run(int threads, const model_config& config, any_objective<float> objective, std::vector<prompt_tree> trees)
      : backend_(threads), policy_(backend_, config), trees_(std::move(trees)) {
    randomize(policy_);
    training_options options;
    options.batch_size = static_cast<index>(trees_.size());
    options.max_steps = index{1} << 20;
    options.shuffle = false;
    trainer_.emplace(policy_, std::move(objective), options);
    step_.emplace(trainer_->run(trees_).begin());
    for (const prompt_tree& tree : trees_) append_tree(pack_, tree);
  }
  void step() { ++*step_; }

  index tokens() const { return pack_.tokens(); }
  /// Tokens that predict something, whose hidden states the head reads.
  index rows() const {
    index rows = 0;
    std::vector<char> seen(static_cast<std::size_t>(tokens()));
    for (const target& t : pack_.targets) rows += std::exchange(seen[static_cast<std::size_t>(t.source)], 1) == 0;
    return rows;
  }
  double flops() const { return pass_flops(policy_.config(), pack_, rows()); }
  /// Weights are read twice, gradients written, their norm taken, and all that AdamW holds read and written.
  double bytes() const { return (8.0 + 4.0 + 4.0 + 28.0) * static_cast<double>(policy_.size()); }
  double resident() const { return resident_bytes({{static_cast<double>(policy_.size()), true}}); }

 private:
  using run = trainer<B, any_objective<float>>;
  B backend_;
  transformer<B> policy_;
  std::vector<prompt_tree> trees_;
  std::optional<run> trainer_;
  std::optional<typename step_range<run>::iterator> step_;
  packed_trees pack_;
};

/// Pairs as they are in conversations: prompts of 96 tokens, responses of 80.
inline std::vector<prompt_tree> random_pairs(index count, const model_config& c) { return random_trees(count, 96, {80, 80}, c.vocab_size); }
inline any_objective<float> dpo_objective() { return preference_objective<dpo>(dpo{.beta = 0.1}); }

template <backend B> void measure_steps(benchmark::State& state, training_run<B>&& run) {
  for (auto _ : state) run.step();
  count_work(state, run.flops(), run.bytes());
  state.counters["tokens"] = static_cast<double>(run.tokens());
  state.counters["rows"] = static_cast<double>(run.rows());
}

template <backend B> void add_step(const named_shape& s, index pairs, const row_options& options) {
  add_row(
      "step/" + s.name, B::name,
      [=](benchmark::State& state, int threads) {
        measure_steps<B>(state, {threads, s.config, dpo_objective(), random_pairs(pairs, s.config)});
      },
      options);
}

}  // namespace tilt::bench
