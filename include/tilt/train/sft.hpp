// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/train/objective.hpp>

namespace tilt {

/// What supervised fine-tuning minimises, under TRL's names.
enum class sft_loss {
  nll,  ///< −log π(y_t|…)
  dft,  ///< −sg(π(y_t|…))·log π(y_t|…): dynamic fine-tuning (Wu et al. 2025, arXiv 2508.05629), every token weighed by its probability
};

/// Supervised fine-tuning: the mean negative log-likelihood of a step's response tokens, −Σ_t log π(y_t|x, y_<t) / N with N the tokens of
/// all its micro-batches (TRL's SFTTrainer with completion_only_loss). A text without a prompt is text_sequence().
class sft_objective {
 public:
  static constexpr bool needs_reference = false;
  static constexpr bool needs_mismatched = false;

  explicit sft_objective(sft_loss loss = sft_loss::nll) : loss_(loss) {}

  std::string_view name() const { return loss_ == sft_loss::nll ? "sft" : "sft, dft"; }
  std::vector<named_value> hyper_parameters() const { return {}; }
  bool separable() const { return true; }
  void check(const prompt_tree&) const {}
  void reserve(index, index, index) {}
  void begin(const step_extent& step) { tokens_ = static_cast<double>(step.targets); }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    index response = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) response += static_cast<index>(batch.tree(t).responses.size());
    for (index i = batch.scores.begin(range.first_response); i < batch.scores.begin(response); ++i)
      d[static_cast<std::size_t>(i)] = static_cast<T>(-weight(batch.scores.logps()[static_cast<std::size_t>(i)]) / tokens_);
  }
  template <class T> double record(const micro_batch<T>& batch, meters& m) {
    double loss = 0, entropies = 0, hits = 0;
    for (index r = 0; r < batch.scores.responses(); ++r) {
      for (const T& logp : batch.policy_logps(r)) loss -= weight(logp) * static_cast<double>(logp);
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
  template <class T> double weight(const T& logp) const { return loss_ == sft_loss::dft ? std::exp(static_cast<double>(logp)) : 1; }

  sft_loss loss_;
  double tokens_ = 1;
};

}  // namespace tilt
