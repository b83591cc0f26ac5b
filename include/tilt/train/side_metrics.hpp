// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/train/objective.hpp>

namespace tilt {

/// The metrics of preference training that are counted token by token, under TRL's names: `entropy`, the mean over all response tokens;
/// `logits/chosen` and `logits/rejected`, the mean logit over the tokens of a side; `mean_token_accuracy`, the share of the chosen side's tokens
/// that are the policy's first choice; and tilt's `kl/k2` (see half_squared_ratios). A response counts once by itself, and on a
/// side once for every comparison that it stands in.
class side_metrics {
 public:
  enum side { chosen, rejected };

  template <class T> void add_response(const micro_batch<T>& batch, index response, bool with_reference) {
    entropies_ += sum_of(batch.scores.entropies(response));
    if (with_reference) half_squares_ += half_squared_ratios(batch, response);
  }
  template <class T> void add_to(side which, const micro_batch<T>& batch, index response) {
    logits_[which] += sum_of(batch.scores.mean_logits(response));
    hits_[which] += sum_of(batch.scores.top1(response));
    tokens_[which] += static_cast<double>(batch.scores.tokens(response));
  }

  template <class T> void report_entropy(const micro_batch<T>& batch, meters& m) const {
    m.add("entropy", entropies_ / static_cast<double>(batch.scores.targets()));
  }
  /// A side without responses is left out.
  void report_logits(meters& m) const {
    if (tokens_[chosen] > 0) m.add("logits/chosen", logits_[chosen] / tokens_[chosen]);
    if (tokens_[rejected] > 0) m.add("logits/rejected", logits_[rejected] / tokens_[rejected]);
  }
  void report_accuracy(meters& m) const { m.add("mean_token_accuracy", hits_[chosen] / tokens_[chosen]); }
  template <class T> void report_kl(const micro_batch<T>& batch, meters& m) const {
    m.add("kl/k2", half_squares_ / static_cast<double>(batch.scores.responses()));
  }

 private:
  double entropies_ = 0, half_squares_ = 0;
  double logits_[2] = {}, hits_[2] = {}, tokens_[2] = {};
};

/// Names the metrics of objectives that compare responses.
inline void list_comparison_metrics(meters& m) {
  for (const char* name :
       {"entropy", "logits/chosen", "logits/rejected", "mean_token_accuracy", "rewards/chosen", "rewards/rejected", "rewards/accuracies",
        "rewards/margins", "logps/chosen", "logps/rejected", "kl", "kl/k2", "chosen_falling", "length/chosen", "length/rejected"})
    m.list(name);
}

/// Adds the metrics of a comparison: the tokens', and the loss's own; those against a reference only where there is one.
template <class T, class Metrics>
void record_comparison(const micro_batch<T>& batch, const side_metrics& tokens, const Metrics& metrics, bool with_reference, meters& m) {
  tokens.report_entropy(batch, m);
  tokens.report_logits(m);
  tokens.report_accuracy(m);
  metrics.each([&](std::string_view name, double value) {
    if (name != "loss" && (with_reference || (name != "kl" && name != "chosen_falling"))) m.add(name, value);
  });
  if (with_reference) tokens.report_kl(batch, m);
}

}  // namespace tilt
