// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <span>
#include <string>
#include <tilt/train/metrics.hpp>
#include <tilt/train/run_settings.hpp>
#include <tilt/train/scores.hpp>

namespace tilt {

/// How large the step (or evaluation batch) is that a micro-batch belongs to: what losses are averaged over.
struct step_extent {
  index micro_batches = 1;
  index targets = 0;  ///< response tokens of all micro-batches
};

/// A micro-batch as an objective sees it: some of the examples, and what policy and reference say of their response tokens.
template <class T> struct micro_batch {
  std::span<const prompt_tree> examples;  ///< all of the data
  std::span<const index> members;         ///< which of them
  const batch_scores<T>& scores;          ///< of their responses, in order
  std::span<const T> reference;           ///< log-probabilities of the same targets; empty where the objective needs none

  index trees() const { return static_cast<index>(members.size()); }
  const prompt_tree& tree(index t) const { return examples[static_cast<std::size_t>(members[static_cast<std::size_t>(t)])]; }
  std::span<const T> policy_logps(index response) const { return scores.logps(response); }
  std::span<const T> reference_logps(index response) const {
    return reference.subspan(static_cast<std::size_t>(scores.begin(response)), static_cast<std::size_t>(scores.tokens(response)));
  }
};

/// Some consecutive trees of a micro-batch: those of one pack, or all.
struct tree_range {
  index first = 0, count = 0;
  index first_response = 0;
};

/// Whether the loop is to fill a micro-batch's `reference`: a constant of the objective's type, or, where that is known at run time only,
/// a member function.
template <class O> constexpr bool needs_reference(const O& o) {
  if constexpr (requires { o.needs_reference(); })
    return o.needs_reference();
  else
    return O::needs_reference;
}
/// Whether the loop is to call take_mismatched.
template <class O> constexpr bool needs_mismatched(const O& o) {
  if constexpr (requires { o.needs_mismatched(); })
    return o.needs_mismatched();
  else
    return O::needs_mismatched;
}
/// Whether the loop is to keep log Σ_v π(v)² of every target.
template <class O> constexpr bool wants_log_squares(const O& o) {
  if constexpr (requires { o.wants_log_squares(); })
    return o.wants_log_squares();
  else
    return false;
}

/// Whether the objective is of the value head's scores of whole responses (a reward model's), instead of tokens' log-probabilities.
template <class O> constexpr bool judges_responses(const O& o) {
  if constexpr (requires { o.judges_responses(); })
    return o.judges_responses();
  else
    return false;
}

/// What joins a loss to the loop: how a micro-batch's log-probabilities become a loss, a coefficient ∂L/∂log π for every target, and
/// metrics. All a trainer knows of DPO, KTO or SFT is this.
///  - needs_reference: whether `reference` is to be filled; needs_mismatched: whether every prompt is first to be scored, without
///    gradient, with another prompt's response (KTO), the two sums of which come through take_mismatched;
///  - name() and hyper_parameters() tell a checkpoint which objective wrote it;
///  - separable(): whether a tree's coefficients depend on its own log-probabilities alone, so that packs can go one by one;
///  - check(tree) throws input_error on an example that it cannot use; reserve(trees, responses, targets) makes its memory;
///  - begin(extent) opens a step; differentiate(batch, range, d) writes the coefficients of the range's targets, one for each target of
///    the batch; record(batch, meters) adds the metrics and gives the micro-batch's share of the step's loss;
///  - list(meters) names the metrics; report(meters, line) appends what is derived from them.
/// It may have judges_responses(), whether targets are whole responses and coefficients ∂L/∂value, wants_log_squares(), whether log Σ_v π(v)² of
/// every target is to be there, and state() and restore(numbers), what it carries from
/// step to step.
template <class O, class T>
concept objective = requires(O& o, const O& c, const prompt_tree& tree, const micro_batch<T>& batch, meters& m, metric_list& line, std::span<T> d) {
  { needs_reference(c) } -> std::same_as<bool>;
  { needs_mismatched(c) } -> std::same_as<bool>;
  { c.name() } -> std::convertible_to<std::string_view>;
  { c.hyper_parameters() } -> std::same_as<std::vector<named_value>>;
  { c.separable() } -> std::same_as<bool>;
  o.check(tree);
  o.reserve(index{}, index{}, index{});
  o.begin(step_extent{});
  o.differentiate(batch, tree_range{}, d);
  { o.record(batch, m) } -> std::same_as<double>;
  o.list(m);
  c.report(m, line);
};

/// Σ_t ½(log π/π_ref)² over a response: Schulman's estimator k2 of KL(π‖π_ref) (joschu.net/blog/kl-approx.html, 2020). It is not negative and
/// is 0 only where both agree, also on responses that the policy did not draw; logged, as the mean over responses, as `kl/k2`.
template <class T> double half_squared_ratios(const micro_batch<T>& batch, index response) {
  const auto policy = batch.policy_logps(response), reference = batch.reference_logps(response);
  double sum = 0;
  for (std::size_t t = 0; t < policy.size(); ++t) {
    const double ratio = static_cast<double>(policy[t]) - static_cast<double>(reference[t]);
    sum += 0.5 * ratio * ratio;
  }
  return sum;
}

/// Tokens as TRL counts them: every response with its prompt, whether or not the prompt is shared.
inline index logical_tokens(const prompt_tree& tree) {
  index tokens = 0;
  for (const response& r : tree.responses) tokens += static_cast<index>(tree.prompt.size() + r.tokens.size());
  return tokens;
}

/// Refuses an example (input_error), naming its line where it came from a file.
[[noreturn]] inline void refuse_example(const prompt_tree& tree, const std::string& what) {
  throw input_error((tree.line > 0 ? "line " + std::to_string(tree.line) + ": " : std::string()) + what);
}

/// Response tokens, all of which are predicted.
inline index target_count(const prompt_tree& tree) {
  index targets = 0;
  for (const response& r : tree.responses) targets += static_cast<index>(r.tokens.size());
  return targets;
}

}  // namespace tilt
