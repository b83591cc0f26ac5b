// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <limits>
#include <tilt/loss/evaluate.hpp>
#include <tilt/train/side_metrics.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A loss over single labelled responses: the mean over a micro-batch, then over the step's micro-batches, as TRL's KTOTrainer does it.
/// A loss with a batch statistic (KTO's z0) gets it from mismatched pairs (see mismatched_pairs), which are scored first and without
/// gradient; it is the micro-batch's, or, with statistics_scope::step, the whole step's. One of the examples themselves (BCO's running mean) is
/// told of every micro-batch that is trained on, and read by evaluations. What concerns desirable responses is logged as
/// "chosen", for the micro-batches that have any; so the rest as "rejected", and margins where both are there.
template <labelled_loss Loss> class labelled_objective {
 public:
  static constexpr bool needs_reference = uses_reference<Loss>();
  static constexpr bool needs_mismatched = has_statistic<Loss> && !has_own_statistic<Loss>;

  explicit labelled_objective(Loss loss = {}) : loss_(loss) {
    if constexpr (requires { loss.check(); }) loss_.check();
  }

  const Loss& loss() const { return loss_; }
  static constexpr std::string_view name() {
    if constexpr (requires { Loss::name; }) return Loss::name;
    else return "labelled";
  }
  std::vector<named_value> hyper_parameters() const { return tilt::hyper_parameters(loss_); }
  bool separable() const { return !has_own_statistic<Loss>; }  // another one is there before

  void check(const prompt_tree& tree) const {
    if (tree.responses.size() != 1)
      refuse_example(tree, "the example has " + std::to_string(tree.responses.size()) + " responses; give every labelled response an example of its own");
  }
  void reserve(index, index responses, index) {
    for (auto* v : {&policy_, &reference_, &slopes_, &weights_}) v->reserve(static_cast<std::size_t>(responses));
    for (auto* v : {&desirable_, &lengths_}) v->reserve(static_cast<std::size_t>(responses));
  }
  void begin(const step_extent& step) { share_ = 1.0 / static_cast<double>(step.micro_batches); }

  /// Sums of log-probabilities of the micro-batch's mismatched pairs.
  void take_mismatched(std::span<const double> policy, std::span<const double> reference) {
    statistic_ = {};
    if constexpr (needs_mismatched)
      for (std::size_t i = 0; i < policy.size(); ++i) statistic_.add(response_logps<double>{policy[i], reference[i]});
  }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    gather(batch, range.first, range.count);
    if constexpr (has_own_statistic<Loss>) learn_statistic();
    evaluate(loss_, columns(batch), {.gradient = slopes_}, statistic_.value());
    for (index r = 0; r < range.count; ++r)
      for (index i = batch.scores.begin(range.first + r); i < batch.scores.begin(range.first + r + 1); ++i)
        d[static_cast<std::size_t>(i)] = static_cast<T>(share_ * slopes_[static_cast<std::size_t>(r)]);
  }

  template <class T> double record(const micro_batch<T>& batch, meters& m) {
    gather(batch, 0, batch.trees());
    const response_metrics metrics = evaluate(loss_, columns(batch), {}, statistic_.value());
    side_metrics tokens;
    for (index r = 0; r < batch.scores.responses(); ++r) {
      tokens.add_response(batch, r, needs_reference);
      tokens.add_to(desirable_[static_cast<std::size_t>(r)] != 0 ? side_metrics::chosen : side_metrics::rejected, batch, r);
    }
    if constexpr (!has_statistic<Loss>) m.add("kl", 0.0);  // as TRL has it where there is no z0
    tokens.report_entropy(batch, m);
    tokens.report_logits(m);
    metrics.each([&m](std::string_view name, double value) {
      if (name != "loss") m.add(name, value);
    });
    if constexpr (needs_reference) tokens.report_kl(batch, m);
    return share_ * metrics.loss;
  }

  void list(meters& m) const {
    for (const char* name : {"kl", "entropy", "logits/chosen", "logits/rejected", "rewards/chosen", "logps/chosen", "rewards/rejected", "logps/rejected",
                             "rewards/margins", "kl/k2", "chosen_falling", "length/chosen", "length/rejected"})
      m.list(name);
  }
  void report(const meters&, metric_list&) const {}

  /// A running statistic goes from step to step, and through checkpoints.
  std::vector<double> state() const {
    if constexpr (requires { statistic_.state(); }) {
      const auto numbers = statistic_.state();
      return {numbers.begin(), numbers.end()};
    } else {
      return {};
    }
  }
  void restore(const std::vector<double>& values) {
    if constexpr (requires { statistic_.restore(values); }) statistic_.restore(values);
  }

 private:
  /// Tells the statistic of the micro-batch in the columns. Training does, and evaluation does not.
  void learn_statistic() {
    if constexpr (requires { statistic_.begin(); }) statistic_.begin();
    for (std::size_t r = 0; r < policy_.size(); ++r)
      statistic_.add(labelled_logps<double>{{policy_[r], needs_reference ? reference_[r] : 0, lengths_[r]}, desirable_[r] != 0});
    if constexpr (requires { statistic_.finish(); }) statistic_.finish();
  }
  template <class T> void gather(const micro_batch<T>& batch, index first, index count) {
    policy_.clear();
    reference_.clear();
    weights_.clear();
    desirable_.clear();
    lengths_.clear();
    for (index r = first; r < first + count; ++r) {
      policy_.push_back(sum_of(batch.policy_logps(r)));
      if constexpr (needs_reference) reference_.push_back(sum_of(batch.reference_logps(r)));
      desirable_.push_back(batch.tree(r).responses[0].desirable ? 1 : 0);
      weights_.push_back(batch.tree(r).responses[0].weight);
      lengths_.push_back(batch.scores.tokens(r));
    }
    slopes_.resize(policy_.size());
  }
  template <class T> response_batch<double> columns(const micro_batch<T>& batch) const {
    response_batch<double> b{.policy = policy_, .desirable = desirable_, .length = lengths_, .weights = weights_, .divisor = static_cast<double>(batch.trees())};
    if constexpr (needs_reference) b.reference = reference_;
    return b;
  }

  Loss loss_;
  statistic_of<Loss> statistic_{};
  std::vector<double> policy_, reference_, slopes_, weights_;
  std::vector<index> desirable_, lengths_;
  double share_ = 1;
};

/// A trainer on labelled responses, in place, against the policy as it is now:
///   auto trainer = tilt::labelled_trainer(policy, tilt::kto{.beta = 0.1}, {.learning_rate = 1e-6, .shuffle = false});
template <class B, labelled_loss Loss> trainer<B, labelled_objective<Loss>> labelled_trainer(transformer<B>& policy, Loss loss, training_options options = {}) {
  return {policy, labelled_objective<Loss>(loss), std::move(options)};
}
/// The same against another model.
template <class B, labelled_loss Loss>
trainer<B, labelled_objective<Loss>> labelled_trainer(transformer<B>& policy, transformer<B>& reference, Loss loss, training_options options = {}) {
  return {policy, reference, labelled_objective<Loss>(loss), std::move(options)};
}

}  // namespace tilt
