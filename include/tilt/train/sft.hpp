// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/train/objective.hpp>

namespace tilt {

/// Supervised fine-tuning: the mean negative log-likelihood of a step's response tokens, −Σ_t log π(y_t|x, y_<t) / N with N the tokens of
/// all its micro-batches (TRL's SFTTrainer with completion_only_loss). A text without a prompt is text_sequence().
struct sft_objective {
  static constexpr bool needs_reference = false;
  static constexpr bool needs_mismatched = false;

  static constexpr std::string_view name() { return "sft"; }
  bool separable() const { return true; }
  void check(const prompt_tree&) const {}
  void reserve(index, index) {}
  void begin(const step_extent& step) { tokens_ = static_cast<double>(step.targets); }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    index response = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) response += static_cast<index>(batch.tree(t).responses.size());
    for (index i = batch.scores.begin(range.first_response); i < batch.scores.begin(response); ++i) d[static_cast<std::size_t>(i)] = static_cast<T>(-1 / tokens_);
  }
  template <class T> double record(const micro_batch<T>& batch, meters& m) {
    double loss = 0, entropies = 0, hits = 0;
    for (index r = 0; r < batch.scores.responses(); ++r) {
      loss -= sum_of(batch.policy_logps(r));
      entropies += sum_of(batch.scores.entropies(r));
      hits += sum_of(batch.scores.top1(r));
    }
    const auto targets = static_cast<double>(batch.scores.targets());
    m.add("entropy", entropies / targets);
    m.add("mean_token_accuracy", hits / targets);
    return loss / tokens_;
  }
  void list(meters& m) const {
    m.list("entropy");
    m.list("mean_token_accuracy");
  }
  void report(const meters&, metric_list&) const {}

 private:
  double tokens_ = 1;
};

}  // namespace tilt
