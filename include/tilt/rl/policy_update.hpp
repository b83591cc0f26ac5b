// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <optional>
#include <span>
#include <tilt/rl/estimate.hpp>
#include <tilt/rl/trained_network.hpp>
#include <vector>

namespace tilt {

/// What the loss of some of a rollout's samples says. Losses are means of the part; the rest is over its tokens.
struct update_outcome {
  double policy_loss = 0, value_loss = 0, entropy = 0, loss = 0;
  double approx_kl = 0;  ///< mean ½(log π − log π_old)²
  double policy_clipped = 0, value_clipped = 0;
  double ratio_excess = 0, ratio_excess_squares = 0;  ///< means of π/π_old − 1 and of its square
};

/// The gradient of a policy-gradient loss over some of a rollout's trees, pack by pack. The value function is a network of its own, the
/// policy's own value head, or none. What it is given must outlive it.
template <class B> class policy_update {
 public:
  using T = typename B::scalar;

  policy_update(const policy_gradient& method, trained_network<B>& policy, trained_network<B>* value, index max_tokens)
      : method_(&method), policy_(&policy), value_(value), packs_(max_tokens) {}

  /// Makes room for all of a step's trees.
  void reserve(const rollout_limits& l) {
    l.reserve(packs_);
    const pass_limits of_pack = l.of_pack(packs_.max_tokens());
    policy_->training().reserve(of_pack);
    if (value_ != nullptr) value_->training().reserve(of_pack);
    lengths_.reserve(static_cast<std::size_t>(l.responses()));
    for (auto* v : {&old_logps_, &reference_, &old_values_, &advantages_, &returns_, &d_logps_, &d_values_, &d_entropies_})
      v->reserve(static_cast<std::size_t>(of_pack.targets));
  }

  /// Assigns the gradients of these trees' loss.
  update_outcome differentiate(const rollout<T>& r, const advantage_estimate<T>& e, std::span<const index> members) {
    policy_->clear_gradient();
    if (value_ != nullptr) value_->clear_gradient();
    packs_.clear();
    for (const index i : members) packs_.add(r.trees[static_cast<std::size_t>(i)]);
    index tokens = 0, responses = 0;
    for (index p = 0; p < packs_.size(); ++p) tokens += static_cast<index>(packs_[p].targets.size()), responses += packs_[p].responses();
    update_outcome sum;
    for (index p = 0; p < packs_.size(); ++p) {
      gather(r, e,
             members.subspan(static_cast<std::size_t>(packs_.first_tree(p)),
                             static_cast<std::size_t>(packs_.first_tree(p + 1) - packs_.first_tree(p))));
      policy_->training().forward(packs_[p]);
      if (value_ != nullptr) value_->training().forward(packs_[p]);
      std::visit([&](const auto& loss) { part(loss, static_cast<double>(tokens), static_cast<double>(responses), sum); }, *method_);
    }
    sum.loss = sum.policy_loss;
    if (const auto* p = std::get_if<ppo>(method_)) sum.loss += p->vf_coef * sum.value_loss - p->entropy_coef * sum.entropy;
    return sum;
  }

 private:
  /// What was known of a pack's responses when they were sampled.
  void gather(const rollout<T>& r, const advantage_estimate<T>& e, std::span<const index> members) {
    for (auto* v : {&old_logps_, &reference_, &old_values_, &advantages_, &returns_}) v->clear();
    lengths_.clear();
    const bool by_token = std::holds_alternative<ppo>(*method_);
    const auto append = [](std::vector<T>& to, std::span<const T> from) { to.insert(to.end(), from.begin(), from.end()); };
    for (const index tree : members) {
      const index first = first_response(r, tree), count = static_cast<index>(r.trees[static_cast<std::size_t>(tree)].responses.size());
      for (index i = first; i < first + count; ++i) {
        lengths_.push_back(r.policy.tokens(i));
        append(old_logps_, r.policy.logps(i));
        append(reference_, r.reference.logps(i));
        if (!by_token) {
          advantages_.push_back(e.advantages[static_cast<std::size_t>(i)]);
          continue;
        }
        const auto part_of = [&](const std::vector<T>& all) {
          return std::span<const T>(all).subspan(static_cast<std::size_t>(r.policy.begin(i)), static_cast<std::size_t>(r.policy.tokens(i)));
        };
        append(advantages_, part_of(e.advantages));
        append(returns_, part_of(e.returns));
        append(old_values_, r.value.values(i));
      }
    }
    for (auto* v : {&d_logps_, &d_values_, &d_entropies_}) v->assign(old_logps_.size(), T(0));
  }
  /// All trees have as many responses.
  static index first_response(const rollout<T>& r, index tree) { return tree * static_cast<index>(r.trees[0].responses.size()); }

  token_batch<T> batch(double tokens, double responses) {
    return {.lengths = lengths_,
            .logps = policy_->training().logps(),
            .old_logps = old_logps_,
            .reference_logps = reference_,
            .advantages = advantages_,
            .step_responses = responses,
            .step_tokens = tokens};
  }

  void part(const ppo& loss, double tokens, double responses, update_outcome& sum) {
    pass<B>& valuing = value_ != nullptr ? value_->training() : policy_->training();
    const ppo_metrics m =
        evaluate(loss, batch(tokens, responses),
                 {.values = valuing.values(), .old_values = old_values_, .returns = returns_, .entropies = policy_->training().entropies()},
                 {.logps = d_logps_, .values = d_values_, .entropies = d_entropies_});
    sum.policy_loss += m.policy_loss;
    sum.value_loss += m.value_loss;
    sum.entropy += m.entropy;
    const double share = static_cast<double>(old_logps_.size()) / tokens;
    sum.value_clipped += share * m.value_clipped;
    count(m.approx_kl, m.policy_clipped, tokens, sum);
    const bool spreads = loss.entropy_coef > 0;
    target_slopes<T> slopes{.logps = d_logps_};
    if (spreads) slopes.entropies = d_entropies_;
    if (value_ == nullptr) slopes.values = d_values_;
    policy_->backward(slopes);
    if (value_ != nullptr) value_->backward({.values = d_values_});
  }
  template <class Loss> void part(Loss loss, double tokens, double responses, update_outcome& sum) {
    if constexpr (std::same_as<Loss, grpo>)
      if (loss.loss_type == grpo_loss_type::bnpo)
        loss.loss_type = grpo_loss_type::dapo;  // the same, where a batch is a whole update and not its packs
    const policy_metrics m = evaluate(loss, batch(tokens, responses), d_logps_);
    sum.policy_loss += m.loss;
    for (const T& h : policy_->training().entropies()) sum.entropy += static_cast<double>(h) / tokens;
    count(m.approx_kl, m.clip_ratio, tokens, sum);
    policy_->backward({.logps = d_logps_});
  }
  void count(double approx_kl, double clipped, double tokens, update_outcome& sum) {
    const double share = static_cast<double>(old_logps_.size()) / tokens;
    sum.approx_kl += share * approx_kl;
    sum.policy_clipped += share * clipped;
    for (std::size_t t = 0; t < old_logps_.size(); ++t) {
      const double excess = std::expm1(static_cast<double>(policy_->training().logps()[t]) - static_cast<double>(old_logps_[t]));
      sum.ratio_excess += excess / tokens;
      sum.ratio_excess_squares += excess * excess / tokens;
    }
  }

  const policy_gradient* method_;
  trained_network<B>* policy_;
  trained_network<B>* value_;
  tree_packs packs_;
  std::vector<index> lengths_;
  std::vector<T> old_logps_, reference_, old_values_, advantages_, returns_, d_logps_, d_values_, d_entropies_;
};

}  // namespace tilt
