// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <tilt/loss/evaluate_lists.hpp>
#include <tilt/train/side_metrics.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A loss over ranked lists: every tree's responses, the best first, as they stand in it; the mean over a micro-batch's trees, then over
/// the step's micro-batches. Edges are not read. Metrics are those of the best response against each of the others.
template <list_loss Loss> class list_objective {
 public:
  static constexpr bool needs_reference = uses_reference<Loss>();
  static constexpr bool needs_mismatched = false;

  explicit list_objective(Loss loss = {}) : loss_(loss) {
    if constexpr (requires { loss.check(); }) loss_.check();
  }

  const Loss& loss() const { return loss_; }
  static constexpr std::string_view name() {
    if constexpr (requires { Loss::name; })
      return Loss::name;
    else
      return "list";
  }
  std::vector<named_value> hyper_parameters() const { return tilt::hyper_parameters(loss_); }
  bool separable() const { return true; }

  void check(const prompt_tree& tree) const {
    const auto refuse = [&tree](const std::string& what) { refuse_example(tree, what); };
    if (tree.responses.size() < 2)
      refuse("the example has " + std::to_string(tree.responses.size()) + " responses; a ranking needs two or more");
    for (const response& r : tree.responses)
      if (uses_scores(loss_) && !r.score)
        refuse("the loss " + std::string(name()) + " reads the responses' scores, and one is missing; give all");
  }
  void reserve(index trees, index responses, index) {
    for (auto* v : {&policy_, &reference_, &score_, &slopes_}) v->reserve(static_cast<std::size_t>(responses));
    lengths_.reserve(static_cast<std::size_t>(responses));
    begin_.reserve(static_cast<std::size_t>(trees) + 1);
  }
  void begin(const step_extent& step) { share_ = 1.0 / static_cast<double>(step.micro_batches); }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    gather(batch, range);
    evaluate(loss_, columns(batch), {.gradient = slopes_});
    for (std::size_t r = 0; r < slopes_.size(); ++r) {
      const index response = range.first_response + static_cast<index>(r);
      for (index i = batch.scores.begin(response); i < batch.scores.begin(response + 1); ++i)
        d[static_cast<std::size_t>(i)] = static_cast<T>(share_ * slopes_[r]);
    }
  }

  template <class T> double record(const micro_batch<T>& batch, meters& m) {
    gather(batch, {0, batch.trees(), 0});
    const pair_metrics metrics = evaluate(loss_, columns(batch));
    side_metrics tokens;
    for (std::size_t list = 0; list + 1 < begin_.size(); ++list)
      for (index r = begin_[list]; r < begin_[list + 1]; ++r) {
        tokens.add_response(batch, r, needs_reference);
        tokens.add_to(r == begin_[list] ? side_metrics::chosen : side_metrics::rejected, batch, r);
      }
    record_comparison(batch, tokens, metrics, needs_reference, m);
    return share_ * metrics.loss;
  }

  void list(meters& m) const { list_comparison_metrics(m); }
  void report(const meters&, metric_list&) const {}

 private:
  template <class T> void gather(const micro_batch<T>& batch, const tree_range& range) {
    for (auto* v : {&policy_, &reference_, &score_}) v->clear();
    lengths_.clear();
    begin_.assign(1, 0);
    index r = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) {
      for (const response& one : batch.tree(t).responses) {
        policy_.push_back(sum_of(batch.policy_logps(r)));
        if constexpr (needs_reference) reference_.push_back(sum_of(batch.reference_logps(r)));
        score_.push_back(one.score.value_or(0));
        lengths_.push_back(batch.scores.tokens(r));
        ++r;
      }
      begin_.push_back(static_cast<index>(policy_.size()));
    }
    slopes_.resize(policy_.size());
  }
  template <class T> list_batch<double> columns(const micro_batch<T>& batch) const {
    list_batch<double> b{.begin = begin_, .policy = policy_, .length = lengths_, .divisor = static_cast<double>(batch.trees())};
    if constexpr (needs_reference) b.reference = reference_;
    if (uses_scores(loss_)) b.score = score_;
    return b;
  }

  Loss loss_;
  std::vector<double> policy_, reference_, score_, slopes_;
  std::vector<index> lengths_, begin_;
  double share_ = 1;
};

/// A trainer on ranked responses, in place, against the policy as it is now:
///   auto trainer = tilt::list_trainer(policy, tilt::plackett_luce{.beta = 0.1}, {.learning_rate = 1e-6});
template <class B, list_loss Loss>
trainer<B, list_objective<Loss>> list_trainer(transformer<B>& policy, Loss loss, training_options options = {}) {
  return {policy, list_objective<Loss>(loss), std::move(options)};
}
/// The same against another model.
template <class B, list_loss Loss>
trainer<B, list_objective<Loss>> list_trainer(transformer<B>& policy, transformer<B>& reference, Loss loss, training_options options = {}) {
  return {policy, reference, list_objective<Loss>(loss), std::move(options)};
}

}  // namespace tilt
