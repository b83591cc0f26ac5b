// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <tilt/loss/bradley_terry.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A reward model's training: the Bradley–Terry loss over the edges of prompt trees, the mean over a micro-batch's edges and then over the
/// step's micro-batches, as TRL's RewardTrainer does it. A response's score is the value head's on the last token that is not padding; the
/// prompt and the responses are run once, however many edges a tree has. Metrics: min_reward, mean_reward and max_reward over the scores of
/// both ends of all edges, accuracy (the share of edges whose chosen response scores higher), margin (by how much, on average).
class reward_objective {
 public:
  static constexpr bool needs_reference = false;
  static constexpr bool needs_mismatched = false;

  explicit reward_objective(bradley_terry loss = {}) : loss_((loss.check(), loss)) {}

  static constexpr std::string_view name() { return bradley_terry::name; }
  std::vector<named_value> hyper_parameters() const { return tilt::hyper_parameters(loss_); }
  static constexpr bool separable() { return true; }
  static constexpr bool judges_responses() { return true; }

  void check(const prompt_tree& tree) const {
    const auto refuse = [&tree](const std::string& what) { refuse_example(tree, what); };
    if (tree.edges.empty()) refuse("the example has no preference; a reward model needs a chosen and a rejected response");
    const int responses = static_cast<int>(tree.responses.size());
    for (const edge& e : tree.edges) {
      if (e.chosen < 0 || e.rejected < 0 || e.chosen >= responses || e.rejected >= responses || e.chosen == e.rejected)
        refuse("a preference names a response that is not there, or the same one twice; name two of the prompt's");
      if (e.weight != 1) refuse("a reward model's loss cannot weigh pairs, and this one has a weight; leave it away");
      if (e.win_probability != 1) refuse("a reward model's loss does not use win_probability; leave it away");
    }
  }
  void reserve(index, index, index) const {}
  void begin(const step_extent& step) { share_ = 1.0 / static_cast<double>(step.micro_batches); }

  template <class T> void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) const {
    const double scale = share_ / static_cast<double>(edges(batch));
    index first = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) {
      const prompt_tree& tree = batch.tree(t);
      const auto slope = [&](int response) -> T& { return d[static_cast<std::size_t>(batch.scores.begin(first + response))]; };
      for (int r = 0; r < static_cast<int>(tree.responses.size()); ++r) slope(r) = T(0);
      for (const edge& e : tree.edges) {
        const auto on = tilt::differentiate(loss_, score(batch, first + e.chosen), score(batch, first + e.rejected), e.margin);
        slope(e.chosen) += static_cast<T>(scale * on.slope[0]);
        slope(e.rejected) += static_cast<T>(scale * on.slope[1]);
      }
      first += static_cast<index>(tree.responses.size());
    }
  }

  template <class T> double record(const micro_batch<T>& batch, meters& m) const {
    double loss = 0, total = 0, margins = 0, hits = 0, least = std::numeric_limits<double>::infinity(), most = -least;
    index first = 0;
    for (index t = 0; t < batch.trees(); ++t) {
      for (const edge& e : batch.tree(t).edges) {
        const double chosen = score(batch, first + e.chosen), rejected = score(batch, first + e.rejected);
        loss += loss_(chosen, rejected, e.margin);
        total += chosen + rejected;
        margins += chosen - rejected;
        hits += chosen > rejected ? 1 : 0;
        least = std::min({least, chosen, rejected});
        most = std::max({most, chosen, rejected});
      }
      first += static_cast<index>(batch.tree(t).responses.size());
    }
    const double n = static_cast<double>(edges(batch));
    m.add("min_reward", least);
    m.add("mean_reward", total / (2 * n));
    m.add("max_reward", most);
    m.add("accuracy", hits / n);
    m.add("margin", margins / n);
    return share_ * loss / n;
  }

  void list(meters& m) const {
    for (const char* name : {"min_reward", "mean_reward", "max_reward", "accuracy", "margin"}) m.list(name);
  }
  void report(const meters&, metric_list&) const {}

 private:
  template <class T> static double score(const micro_batch<T>& batch, index response) {
    return static_cast<double>(batch.scores.values(response)[0]);
  }
  template <class T> static index edges(const micro_batch<T>& batch) {
    index count = 0;
    for (index t = 0; t < batch.trees(); ++t) count += static_cast<index>(batch.tree(t).edges.size());
    return count;
  }

  bradley_terry loss_;
  double share_ = 1;
};

/// A trainer of a model with scalar heads (with_heads), in place.
template <class B>
trainer<B, reward_objective> reward_trainer(transformer<B>& model, bradley_terry loss = {}, training_options options = {}) {
  return {model, reward_objective(loss), std::move(options)};
}

}  // namespace tilt
