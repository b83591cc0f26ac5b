// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <tilt/train/memory_plan.hpp>
#include <tilt/train/objective.hpp>
#include <tilt/train/reference.hpp>
#include <vector>

namespace tilt {

/// What one micro-batch adds to a step: prompt trees → packs → log-probabilities of policy and reference → the objective's coefficients →
/// gradient. It owns all memory that this takes, and knows nothing of steps, epochs or the optimiser. Policy and objective must outlive it.
template <class B, class Objective> class batch_gradient {
 public:
  using T = typename B::scalar;

  /// `reference` null: the policy as it is now.
  batch_gradient(transformer<B>& policy, transformer<B>* reference, Objective& objective, const training_options& options)
      : objective_(&objective),
        reference_(policy, reference, {needs_reference(objective), needs_mismatched(objective)}, options),
        packs_(options.max_tokens, {.whole = judges_responses(objective), .padding = policy.config().pad_token_id}),
        mismatched_packs_(options.max_tokens),
        training_(policy, pass_kind::training,
                  {.log_squares = wants_log_squares(objective), .gradient_checkpointing = options.gradient_checkpointing}),
        inference_(policy, pass_kind::inference, {.log_squares = wants_log_squares(objective)}) {
    const model_config& config = policy.config();
    if (judges_responses(objective) ? !config.value_head : !config.vocabulary_head)
      throw input_error("model: the objective " + std::string(objective.name()) + (config.value_head ? " needs a language model, and this is a reward model; give another" : " needs a value head, and the model has none; put one on it (with_heads)"));
  }

  /// Makes these the examples whose numbers `members` are.
  void select(std::span<const prompt_tree> examples, bool policy_is_initial) {
    examples_ = {};  // nothing is selected where this throws
    reference_.select(examples, policy_is_initial);
    examples_ = examples;
  }
  /// The same for `measure` and `measure_evaluation` alone, without the reference's log-probabilities.
  void look_at(std::span<const prompt_tree> examples) {
    reference_.look_at(examples);
    examples_ = examples;
  }
  bool selected(std::span<const prompt_tree> examples) const { return examples.data() == examples_.data() && examples.size() == examples_.size(); }
  std::uint64_t reference_hash() const { return reference_.weights_hash(); }
  reference_model<B>& reference() { return reference_; }
  const reference_model<B>& reference() const { return reference_; }

  /// Has `reserve` make room for this micro-batch.
  void measure(std::span<const index> members) {
    lay_out(members);
    index batch_targets = 0, batch_responses = 0;
    for (index p = 0; p < packs_.size(); ++p) {
      limits_ = max(limits_, pass_limits::of(packs_[p]));
      batch_targets += static_cast<index>(packs_[p].targets.size());
      batch_responses += packs_[p].responses();
    }
    targets_ = std::max(targets_, batch_targets);
    responses_ = std::max(responses_, batch_responses);
    measure_mismatched(members);
  }
  /// Has it make room for this micro-batch of an evaluation.
  void measure_evaluation(std::span<const index> members) {
    lay_out(members);
    for (index p = 0; p < packs_.size(); ++p) evaluation_limits_ = max(evaluation_limits_, pass_limits::of(packs_[p]));
    measure_mismatched(members);
  }
  /// What `reserve` will ask for.
  void plan(memory_plan& m) {
    m.arena = training_.memory(limits_);
    if (inference_limits().tokens > 0) m.inference = inference_.memory(inference_limits()).total();
    m.reference_weights = reference_.weights_bytes();
    m.reference = reference_.arena_bytes(reference_limits());
  }
  /// Adds what a cached reference takes for examples, and while it scores them.
  void plan_reference(std::span<const prompt_tree> examples, memory_plan& m) {
    m.reference += reference_.cache_bytes(examples);
    const pass_limits limits = reference_.scoring_limits(examples);
    if (limits.tokens > 0) m.scoring = std::max(m.scoring, inference_.memory(limits).total());
  }
  /// Gives all memory its size, for micro-batches of at most `trees` examples. Afterwards those that were measured allocate nothing.
  void reserve(index trees) {
    training_.reserve(limits_);
    if (reference_.online()) reference_.reserve(reference_limits());
    if (inference_limits().tokens > 0) inference_.reserve(inference_limits());
    scores_.reserve(responses_, targets_, wants_log_squares(*objective_), training_.model().config().value_head);
    for (auto* v : {&reference_logps_, &d_targets_}) v->reserve(static_cast<std::size_t>(targets_));
    for (auto* v : {&mismatched_policy_, &mismatched_reference_}) v->reserve(static_cast<std::size_t>(trees));
    objective_->reserve(trees, responses_, targets_);
  }

  /// gradients += the micro-batch's; records its metrics and gives its share of the step's loss.
  double accumulate(std::span<const index> members, T* gradients, meters& metrics) {
    lay_out(members);
    consult_reference(members);
    scores_.clear();
    const bool one_by_one = packs_.size() == 1 || objective_->separable();
    if (!one_by_one) {
      for (index p = 0; p < packs_.size(); ++p) score(p, inference_);
      differentiate(members, {0, static_cast<index>(members.size()), 0});
    }
    index first_target = 0;
    for (index p = 0; p < packs_.size(); ++p) {
      const index first_response = scores_.responses(), count = static_cast<index>(packs_[p].targets.size());
      if (one_by_one) {
        score(p, training_);
        const index first_tree = packs_.first_tree(p);
        differentiate(members, {first_tree, packs_.first_tree(p + 1) - first_tree, first_response});
      } else {
        training_.forward(packs_[p]);
      }
      const auto slopes = std::span<const T>(d_targets_).subspan(static_cast<std::size_t>(first_target), static_cast<std::size_t>(count));
      if (judges_responses(*objective_))
        training_.backward({.values = slopes}, gradients);
      else
        training_.backward({.logps = slopes}, gradients);
      first_target += count;
    }
    return objective_->record(batch(members), metrics);
  }

  /// The same without a gradient.
  double evaluate(std::span<const index> members, meters& metrics) {
    lay_out(members);
    consult_reference(members);
    scores_.clear();
    for (index p = 0; p < packs_.size(); ++p) score(p, inference_);
    return objective_->record(batch(members), metrics);
  }

  /// Of the micro-batch last computed, the first example with a log-probability (or score) that is not finite, or -1.
  index suspect(std::span<const index> members) const {
    index response = 0;
    for (const index i : members)
      for (std::size_t r = 0; r < examples_[static_cast<std::size_t>(i)].responses.size(); ++r, ++response)
        if (!std::isfinite(sum_of(judges_responses(*objective_) ? scores_.values(response) : scores_.logps(response)))) return i;
    return -1;
  }

 private:
  void measure_mismatched(std::span<const index> members) {
    if (!needs_mismatched(*objective_)) return;
    lay_out_mismatched(members);
    for (index p = 0; p < mismatched_packs_.size(); ++p) mismatched_limits_ = max(mismatched_limits_, pass_limits::of(mismatched_packs_[p]));
  }
  /// Of passes without a gradient, of steps and of evaluations.
  pass_limits inference_limits() const {
    const pass_limits of_both = max(mismatched_limits_, evaluation_limits_);
    return objective_->separable() ? of_both : max(limits_, of_both);
  }
  pass_limits reference_limits() const { return max(max(limits_, mismatched_limits_), evaluation_limits_); }
  void lay_out(std::span<const index> members) {
    packs_.clear();
    for (const index i : members) packs_.add(examples_[static_cast<std::size_t>(i)]);
  }
  void lay_out_mismatched(std::span<const index> members) {
    mismatched_packs_.clear();
    for (const index i : members) reference_.add_mismatched(mismatched_packs_, i);
  }
  micro_batch<T> batch(std::span<const index> members) const { return {examples_, members, scores_, reference_logps_}; }

  /// Forward of pack p, whose results join the micro-batch's.
  void score(index p, pass<B>& by) {
    by.forward(packs_[p]);
    scores_.append(by, packs_[p]);
  }
  void differentiate(std::span<const index> members, const tree_range& range) {
    d_targets_.resize(static_cast<std::size_t>(scores_.targets()));
    objective_->differentiate(batch(members), range, std::span<T>(d_targets_));
  }

  /// What the objective must know of the laid-out micro-batch before the policy's own pass.
  void consult_reference(std::span<const index> members) {
    if (needs_reference(*objective_)) reference_.collect(packs_, members, reference_logps_);
    if constexpr (requires { objective_->take_mismatched(std::span<const double>(), std::span<const double>()); }) {
      if (!needs_mismatched(*objective_)) return;
      lay_out_mismatched(members);
      mismatched_policy_.clear();
      for (index p = 0; p < mismatched_packs_.size(); ++p) {
        inference_.forward(mismatched_packs_[p]);
        reference_model<B>::append_sums(inference_.logps(), mismatched_packs_[p], mismatched_policy_);
      }
      reference_.collect_mismatched(mismatched_packs_, members, mismatched_reference_);
      objective_->take_mismatched(mismatched_policy_, mismatched_reference_);
    }
  }

  Objective* objective_;
  reference_model<B> reference_;
  tree_packs packs_, mismatched_packs_;
  pass<B> training_, inference_;
  std::span<const prompt_tree> examples_;
  pass_limits limits_, mismatched_limits_, evaluation_limits_;
  index targets_ = 0, responses_ = 0;
  batch_scores<T> scores_;
  std::vector<T> reference_logps_, d_targets_;
  std::vector<double> mismatched_policy_, mismatched_reference_;
};

}  // namespace tilt
