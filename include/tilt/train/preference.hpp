// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/differentiate.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A pair loss over the edges of prompt trees: the mean over a micro-batch's edges, each times its weight, then over the step's
/// micro-batches, as TRL's DPOTrainer does it. A tree's prompt and responses are run once, however many edges it has.
template <pair_loss Loss> class preference_objective {
 public:
  static constexpr bool needs_reference = uses_reference<Loss>();
  static constexpr bool needs_mismatched = false;

  explicit preference_objective(Loss loss = {}) : loss_(loss) {
    if constexpr (requires { loss.check(); }) loss_.check();
  }

  const Loss& loss() const { return loss_; }
  static constexpr std::string_view name() {
    if constexpr (requires { Loss::name; }) return Loss::name;
    else return "preference";
  }
  bool separable() const { return !has_statistic<Loss>; }

  void check(const prompt_tree& tree) const {
    const auto refuse = [&tree](const char* what) {
      throw input_error((tree.line > 0 ? "line " + std::to_string(tree.line) + ": " : std::string()) + what);
    };
    if (tree.edges.empty()) refuse("the example has no preference; a pair loss needs a chosen and a rejected response");
    const int responses = static_cast<int>(tree.responses.size());
    for (const edge& e : tree.edges)
      if (e.chosen < 0 || e.rejected < 0 || e.chosen >= responses || e.rejected >= responses || e.chosen == e.rejected)
        refuse("a preference names a response that is not there, or the same one twice");
  }
  void reserve(index, index) {}
  void begin(const step_extent& step) { share_ = 1.0 / static_cast<double>(step.micro_batches); }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    const auto statistic = statistic_over(batch);
    const double share = share_ / static_cast<double>(edges(batch));
    index first = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) {
      const prompt_tree& tree = batch.tree(t);
      const auto responses = static_cast<index>(tree.responses.size());
      for (index i = batch.scores.begin(first); i < batch.scores.begin(first + responses); ++i) d[static_cast<std::size_t>(i)] = T(0);
      for (const edge& e : tree.edges) {
        const dual<double, 2> value = tilt::differentiate(loss_, pair(batch, first, e), statistic);
        add(batch, first + e.chosen, share * e.weight * value.slope[0], d);
        add(batch, first + e.rejected, share * e.weight * value.slope[1], d);
      }
      first += responses;
    }
  }

  template <class T> double record(const micro_batch<T>& batch, meters& m) {
    const auto statistic = statistic_over(batch);
    side chosen, rejected;
    double loss = 0, correct = 0, falling = 0;
    for_each_edge(batch, [&](index first, const edge& e) {
      const pair_logps<double> y = pair(batch, first, e);
      loss += e.weight * detail::call(loss_, y, statistic);
      const double up = implicit_reward(loss_, y.chosen), down = implicit_reward(loss_, y.rejected);
      chosen.add(batch, first + e.chosen, y.chosen, up);
      rejected.add(batch, first + e.rejected, y.rejected, down);
      correct += up > down ? 1 : 0;
      falling += y.chosen.log_ratio() < 0 ? 1 : 0;
    });
    const auto n = static_cast<double>(edges(batch));
    double entropies = 0, kl = 0;
    for (index r = 0; r < batch.scores.responses(); ++r) {
      entropies += sum_of(batch.scores.entropies(r));
      if constexpr (needs_reference) kl += half_squares(batch, r);
    }
    m.add(entropy_, entropies / static_cast<double>(batch.scores.targets()));
    m.add(chosen_logits_, chosen.logits / chosen.tokens);
    m.add(rejected_logits_, rejected.logits / rejected.tokens);
    m.add(accuracy_, chosen.hits / chosen.tokens);
    m.add(chosen_rewards_, chosen.reward / n);
    m.add(rejected_rewards_, rejected.reward / n);
    m.add(accuracies_, correct / n);
    m.add(margins_, (chosen.reward - rejected.reward) / n);
    m.add(chosen_logps_, chosen.logp / n);
    m.add(rejected_logps_, rejected.logp / n);
    if constexpr (needs_reference) {
      m.add(kl_, kl / static_cast<double>(batch.scores.responses()));
      m.add(falling_, falling / n);
    }
    m.add(chosen_length_, chosen.tokens / n);
    m.add(rejected_length_, rejected.tokens / n);
    return share_ * loss / n;
  }

  void list(meters& m) {
    entropy_ = m.list("entropy");
    chosen_logits_ = m.list("logits/chosen");
    rejected_logits_ = m.list("logits/rejected");
    accuracy_ = m.list("mean_token_accuracy");
    chosen_rewards_ = m.list("rewards/chosen");
    rejected_rewards_ = m.list("rewards/rejected");
    accuracies_ = m.list("rewards/accuracies");
    margins_ = m.list("rewards/margins");
    chosen_logps_ = m.list("logps/chosen");
    rejected_logps_ = m.list("logps/rejected");
    kl_ = m.list("kl");
    falling_ = m.list("chosen_falling");
    chosen_length_ = m.list("length/chosen");
    rejected_length_ = m.list("length/rejected");
  }
  void report(const meters&, metric_list&) const {}

 private:
  /// Sums over the chosen, or over the rejected, responses of a micro-batch's edges.
  struct side {
    double logits = 0, hits = 0, tokens = 0, reward = 0, logp = 0;
    template <class T> void add(const micro_batch<T>& batch, index response, const response_logps<double>& y, double implicit) {
      logits += sum_of(batch.scores.mean_logits(response));
      hits += sum_of(batch.scores.top1(response));
      tokens += static_cast<double>(batch.scores.tokens(response));
      reward += implicit;
      logp += y.policy;
    }
  };

  template <class T> static index edges(const micro_batch<T>& batch) {
    index count = 0;
    for (index t = 0; t < batch.trees(); ++t) count += static_cast<index>(batch.tree(t).edges.size());
    return count;
  }
  template <class T, class Body> static void for_each_edge(const micro_batch<T>& batch, const Body& body) {
    index first = 0;
    for (index t = 0; t < batch.trees(); ++t) {
      for (const edge& e : batch.tree(t).edges) body(first, e);
      first += static_cast<index>(batch.tree(t).responses.size());
    }
  }
  template <class T> static response_logps<double> response_of(const micro_batch<T>& batch, index r) {
    return {sum_of(batch.policy_logps(r)), needs_reference ? sum_of(batch.reference_logps(r)) : 0, batch.scores.tokens(r)};
  }
  template <class T> static pair_logps<double> pair(const micro_batch<T>& batch, index first, const edge& e) {
    return {response_of(batch, first + e.chosen), response_of(batch, first + e.rejected)};
  }
  /// d += slope for every token of a response: a sum's derivative.
  template <class T> static void add(const micro_batch<T>& batch, index response, double slope, std::span<T> d) {
    for (index i = batch.scores.begin(response); i < batch.scores.begin(response + 1); ++i) d[static_cast<std::size_t>(i)] += static_cast<T>(slope);
  }
  template <class T> auto statistic_over(const micro_batch<T>& batch) const {
    statistic_of<Loss> statistic;
    if constexpr (has_statistic<Loss>) for_each_edge(batch, [&](index first, const edge& e) { statistic.add(pair(batch, first, e)); });
    return statistic.value();
  }
  /// Σ_t ½(log π/π_ref)²: the estimator k2 of KL(π‖π_ref) along the response (Schulman 2020). Not negative, and 0 only where they agree.
  template <class T> static double half_squares(const micro_batch<T>& batch, index response) {
    const auto policy = batch.policy_logps(response), reference = batch.reference_logps(response);
    double sum = 0;
    for (std::size_t t = 0; t < policy.size(); ++t) {
      const double ratio = static_cast<double>(policy[t]) - static_cast<double>(reference[t]);
      sum += 0.5 * ratio * ratio;
    }
    return sum;
  }

  Loss loss_;
  double share_ = 1;
  std::size_t entropy_ = 0, chosen_logits_ = 0, rejected_logits_ = 0, accuracy_ = 0, chosen_rewards_ = 0, rejected_rewards_ = 0, accuracies_ = 0,
              margins_ = 0, chosen_logps_ = 0, rejected_logps_ = 0, kl_ = 0, falling_ = 0, chosen_length_ = 0, rejected_length_ = 0;
};

/// A trainer of the policy, in place, against itself as it is now:
///   auto trainer = tilt::preference_trainer(policy, tilt::dpo{.beta = 0.1}, {.learning_rate = 1e-6});
template <class B, pair_loss Loss> trainer<B, preference_objective<Loss>> preference_trainer(transformer<B>& policy, Loss loss, training_options options = {}) {
  return {policy, preference_objective<Loss>(loss), std::move(options)};
}
/// The same against another model.
template <class B, pair_loss Loss>
trainer<B, preference_objective<Loss>> preference_trainer(transformer<B>& policy, transformer<B>& reference, Loss loss, training_options options = {}) {
  return {policy, reference, preference_objective<Loss>(loss), std::move(options)};
}

}  // namespace tilt
