// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <tilt/loss/divergence.hpp>
#include <tilt/loss/length_desensitised.hpp>
#include <tilt/loss/wpo.hpp>
#include <tilt/train/side_metrics.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// What may stand beside a pair loss, under TRL's names.
struct preference_terms {
  double loss_weight = 1;  ///< of the pair loss (the first of TRL's loss_weights)
  double ld_alpha = 1;     ///< LD-DPO: weight of tokens beyond the shorter response's length (length_desensitised_sum)
  divergence f_divergence_type = divergence::reverse_kl;  ///< for losses of the margin
  double f_alpha_divergence_coef = 0.5;                   ///< of alpha_divergence
  bool use_weighting = false;                             ///< WPO: pairs weigh as the policy would have written them (wpo_weight)

  void check() const {
    detail::refuse_option(!(loss_weight >= 0), "loss_weight", loss_weight, "give 0 or more");
    detail::refuse_option(!(ld_alpha >= 0 && ld_alpha <= 1), "ld_alpha", ld_alpha, "give 0 to 1");
    divergence_link{f_divergence_type, f_alpha_divergence_coef}.check();
  }
  /// With their texts, for a checkpoint.
  std::vector<named_value> values() const {
    return {{"loss_weights", detail::exact_text(loss_weight)},
            {"ld_alpha", detail::exact_text(ld_alpha)},
            {"f_divergence_type", std::string(name_of(f_divergence_type))},
            {"f_alpha_divergence_coef", detail::exact_text(f_alpha_divergence_coef)},
            {"use_weighting", detail::exact_text(use_weighting)}};
  }
  /// Throws input_error naming the first of them that the loss L does not use.
  template <class L> void check_for(std::string_view loss) const {
    const auto refuse = [&](bool wrong, std::string_view option) {
      if (wrong) detail::refuse(option, "the loss " + std::string(loss) + " does not use it", "leave it away, or choose a loss that does");
    };
    refuse(ld_alpha != 1 && !takes_ld_alpha<L>(), "ld_alpha");
    refuse(f_divergence_type != divergence::reverse_kl && !is_of_margin<L>(), "f_divergence_type");
    refuse(use_weighting && !takes_weights<L>(), "use_weighting");
  }
};

/// A pair loss over the edges of prompt trees: the mean over a micro-batch's edges, each times its weight, then over the step's
/// micro-batches, as TRL's DPOTrainer does it. A tree's prompt and responses are run once, however many edges it has. Scores and win
/// probabilities go to the losses that read them.
template <class Loss> class preference_objective {
 public:
  static constexpr bool needs_reference = uses_reference<Loss>();
  static constexpr bool needs_mismatched = false;

  explicit preference_objective(Loss loss = {}, preference_terms terms = {}) : loss_(loss), terms_((terms.check(), terms)) {
    if constexpr (requires { loss.check(); }) loss_.check();
    terms_.template check_for<Loss>(name());
  }

  const Loss& loss() const { return loss_; }
  static constexpr std::string_view name() {
    if constexpr (requires { Loss::name; }) return Loss::name;
    else return "preference";
  }
  std::vector<named_value> hyper_parameters() const {
    std::vector<named_value> all = tilt::hyper_parameters(loss_);
    for (named_value& v : terms_.values()) all.push_back(std::move(v));
    return all;
  }
  bool separable() const { return !has_statistic<Loss>; }
  bool wants_log_squares() const { return terms_.use_weighting; }

  void check(const prompt_tree& tree) {
    const auto refuse = [&tree](const std::string& what) { refuse_example(tree, what); };
    if (tree.edges.empty()) refuse("the example has no preference; a pair loss needs a chosen and a rejected response");
    const int responses = static_cast<int>(tree.responses.size());
    for (const edge& e : tree.edges)
      if (e.chosen < 0 || e.rejected < 0 || e.chosen >= responses || e.rejected >= responses || e.chosen == e.rejected)
        refuse("a preference names a response that is not there, or the same one twice; name two of the prompt's");
    for (const edge& e : tree.edges) check_columns(tree, e, refuse);
    most_edges_ = std::max(most_edges_, static_cast<index>(tree.edges.size()));
  }
  void reserve(index trees, index, index) {
    for (side* s : {&chosen_, &rejected_}) s->reserve(static_cast<std::size_t>(trees * most_edges_));
    for (auto* v : {&weights_, &win_probabilities_}) v->reserve(static_cast<std::size_t>(trees * most_edges_));
  }
  void begin(const step_extent& step) { share_ = 1.0 / static_cast<double>(step.micro_batches); }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    gather(batch, range);
    evaluate(linked(), columns(batch), {.gradient_chosen = chosen_.slopes, .gradient_rejected = rejected_.slopes}, statistic_);
    index first = range.first_response;
    std::size_t at = 0;
    for (index t = range.first; t < range.first + range.count; ++t) {
      const prompt_tree& tree = batch.tree(t);
      const auto responses = static_cast<index>(tree.responses.size());
      for (index i = batch.scores.begin(first); i < batch.scores.begin(first + responses); ++i) d[static_cast<std::size_t>(i)] = T(0);
      for (const edge& e : tree.edges) {
        const index shared = shared_tokens(batch, first, e);
        const double scale = share_ * terms_.loss_weight;
        add(batch, first + e.chosen, shared, scale * chosen_.slopes[at], d);
        add(batch, first + e.rejected, shared, scale * rejected_.slopes[at], d);
        ++at;
      }
      first += responses;
    }
  }

  template <class T> double record(const micro_batch<T>& batch, meters& m) {
    gather(batch, {0, batch.trees(), 0});
    const pair_metrics metrics = evaluate(linked(), columns(batch), {}, statistic_);
    side_metrics tokens;
    for (index r = 0; r < batch.scores.responses(); ++r) tokens.add_response(batch, r, needs_reference);
    for_each_edge(batch, {0, batch.trees(), 0}, [&](const prompt_tree&, index first, const edge& e) {
      tokens.add_to(side_metrics::chosen, batch, first + e.chosen);
      tokens.add_to(side_metrics::rejected, batch, first + e.rejected);
    });
    record_comparison(batch, tokens, metrics, needs_reference, m);
    return share_ * terms_.loss_weight * metrics.loss;
  }

  void list(meters& m) const { list_comparison_metrics(m); }
  void report(const meters&, metric_list&) const {}

 private:
  /// The loss, under the divergence where it can be under one. Reverse KL is no change.
  auto linked() const {
    if constexpr (is_of_margin<Loss>())
      return with_divergence<Loss>{loss_, {terms_.f_divergence_type, terms_.f_alpha_divergence_coef}};
    else
      return loss_;
  }
  template <class Refuse> void check_columns(const prompt_tree& tree, const edge& e, const Refuse& refuse) const {
    const std::string loss = "the loss " + std::string(name());
    const auto scored = [&](int r) { return tree.responses[static_cast<std::size_t>(r)].score.has_value(); };
    if (uses_scores(loss_) && !(scored(e.chosen) && scored(e.rejected))) refuse(loss + " reads the responses' scores, and one is missing; give both");
    if (!takes_weights<Loss>() && e.weight != 1) refuse(loss + " cannot weigh pairs, and this one has a weight; leave it away");
    if (!uses_win_probability(loss_) && e.win_probability != 1) refuse(loss + " does not use win_probability; leave it away, or choose a loss that does");
    if (e.margin != 0) refuse(loss + " does not use margin; leave it away, or train a reward model");
    if (!(e.win_probability >= 0 && e.win_probability <= 1)) refuse("win_probability: it is no probability; give 0 to 1");
  }

  /// The chosen, or the rejected, ends of some edges.
  struct side {
    std::vector<double> policy, reference, scores, slopes;
    std::vector<index> lengths;
    void clear() {
      for (auto* v : {&policy, &reference, &scores}) v->clear();
      lengths.clear();
    }
    void reserve(std::size_t n) {
      for (auto* v : {&policy, &reference, &scores, &slopes}) v->reserve(n);
      lengths.reserve(n);
    }
  };

  template <class T, class Body> static void for_each_edge(const micro_batch<T>& batch, const tree_range& range, const Body& body) {
    index first = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) {
      for (const edge& e : batch.tree(t).edges) body(batch.tree(t), first, e);
      first += static_cast<index>(batch.tree(t).responses.size());
    }
  }
  /// Fills the columns with the edges of some trees.
  template <class T> void gather(const micro_batch<T>& batch, const tree_range& range) {
    chosen_.clear();
    rejected_.clear();
    weights_.clear();
    win_probabilities_.clear();
    for_each_edge(batch, range, [&](const prompt_tree& tree, index first, const edge& e) {
      const index shared = shared_tokens(batch, first, e);
      push(chosen_, batch, tree, first, e.chosen, shared);
      push(rejected_, batch, tree, first, e.rejected, shared);
      win_probabilities_.push_back(e.win_probability);
      weights_.push_back(terms_.use_weighting ? e.weight * wpo(batch, first + e.chosen) * wpo(batch, first + e.rejected) : e.weight);
    });
    chosen_.slopes.resize(weights_.size());
    rejected_.slopes.resize(weights_.size());
  }
  /// The loss is a mean over the edges of the whole micro-batch, whichever of them stand in the columns.
  template <class T> pair_batch<double> columns(const micro_batch<T>& batch) const {
    index edges = 0;
    for (index t = 0; t < batch.trees(); ++t) edges += static_cast<index>(batch.tree(t).edges.size());
    pair_batch<double> b{.policy_chosen = chosen_.policy, .policy_rejected = rejected_.policy, .length_chosen = chosen_.lengths, .length_rejected = rejected_.lengths,
                         .divisor = static_cast<double>(edges)};
    if constexpr (takes_weights<Loss>()) b.weights = weights_;
    if (uses_scores(loss_)) b.score_chosen = chosen_.scores, b.score_rejected = rejected_.scores;
    if (uses_win_probability(loss_)) b.win_probability = win_probabilities_;
    if constexpr (needs_reference) {
      b.reference_chosen = chosen_.reference;
      b.reference_rejected = rejected_.reference;
    }
    return b;
  }
  /// Tokens of an edge's responses that count in full.
  template <class T> index shared_tokens(const micro_batch<T>& batch, index first, const edge& e) const {
    return std::min(batch.scores.tokens(first + e.chosen), batch.scores.tokens(first + e.rejected));
  }
  template <class T> double weighted_sum(std::span<const T> logps, index shared) const {
    return terms_.ld_alpha == 1 ? sum_of(logps) : length_desensitised_sum(logps, shared, terms_.ld_alpha);
  }
  template <class T> double wpo(const micro_batch<T>& batch, index response) const {
    return wpo_weight(batch.policy_logps(response), batch.scores.log_squares(response));
  }
  template <class T> void push(side& s, const micro_batch<T>& batch, const prompt_tree& tree, index first, int which, index shared) const {
    const index response = first + which;
    s.scores.push_back(tree.responses[static_cast<std::size_t>(which)].score.value_or(0));
    s.policy.push_back(weighted_sum(batch.policy_logps(response), shared));
    if constexpr (needs_reference) s.reference.push_back(weighted_sum(batch.reference_logps(response), shared));
    s.lengths.push_back(batch.scores.tokens(response));
  }
  /// d += ∂loss/∂logp of every token of a response: the slope of the weighted sum.
  template <class T> void add(const micro_batch<T>& batch, index response, index shared, double slope, std::span<T> d) const {
    const index begin = batch.scores.begin(response);
    for (index i = begin; i < batch.scores.begin(response + 1); ++i)
      d[static_cast<std::size_t>(i)] += static_cast<T>(length_desensitised_weight(i - begin, shared, terms_.ld_alpha) * slope);
  }

  Loss loss_;
  preference_terms terms_;
  side chosen_, rejected_;
  std::vector<double> weights_, win_probabilities_;
  statistic_of<Loss> statistic_{};
  index most_edges_ = 1;
  double share_ = 1;
};

/// A trainer of the policy, in place, against itself as it is now:
///   auto trainer = tilt::preference_trainer(policy, tilt::dpo{.beta = 0.1}, {.learning_rate = 1e-6});
template <class B, pair_loss Loss>
trainer<B, preference_objective<Loss>> preference_trainer(transformer<B>& policy, Loss loss, training_options options = {}, preference_terms terms = {}) {
  return {policy, preference_objective<Loss>(loss, terms), std::move(options)};
}
/// The same against another model.
template <class B, pair_loss Loss>
trainer<B, preference_objective<Loss>> preference_trainer(transformer<B>& policy, transformer<B>& reference, Loss loss, training_options options = {},
                                                          preference_terms terms = {}) {
  return {policy, reference, preference_objective<Loss>(loss, terms), std::move(options)};
}

}  // namespace tilt
