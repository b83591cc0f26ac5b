// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <tilt/loss/divergence.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// Any pair loss behind one type, for programs that choose theirs at run time: what works with it is compiled once, however many losses
/// there are, and a loss costs its own evaluate() in double. One virtual call a batch; the arithmetic is that of the loss itself, to the
/// bit. Can be moved and copied; copies share the loss.
class any_pair_loss {
 public:
  /// A pair loss, or something that says of itself what one's type says (weighted_losses).
  template <class L>
  requires(!std::same_as<L, any_pair_loss>) any_pair_loss(L loss) : self_(std::make_shared<holder<L>>(std::move(loss))) {}

  std::string_view name() const { return self_->name; }
  bool uses_reference() const { return self_->uses_reference; }
  bool has_statistic() const { return self_->has_statistic; }
  bool uses_lengths() const { return self_->lengths(); }
  bool uses_scores() const { return self_->scores(); }
  bool uses_win_probability() const { return self_->win_probability(); }
  bool is_of_margin() const { return self_->is_of_margin; }
  bool takes_weights() const { return self_->takes_weights; }
  bool takes_ld_alpha() const { return self_->takes_ld_alpha; }
  /// The loss under another divergence; throws input_error if it is not of the margin.
  any_pair_loss under(const divergence_link& link) const { return self_->under(link); }
  void check() const { self_->check(); }
  /// Makes room for batches of n pairs: then evaluate() allocates nothing, unless a loss's own statistic does.
  void reserve(index n) const { self_->reserve(n); }

  friend pair_metrics evaluate(const any_pair_loss& loss, const pair_batch<double>& batch, const pair_outputs<double>& out = {}) {
    return loss.self_->evaluate_batch(batch, out);
  }

 private:
  struct held {
    virtual ~held() = default;
    virtual pair_metrics evaluate_batch(const pair_batch<double>& batch, const pair_outputs<double>& out) = 0;
    virtual void check() const = 0;
    virtual void reserve(index n) = 0;
    virtual bool lengths() const = 0;
    virtual bool scores() const = 0;
    virtual bool win_probability() const = 0;
    virtual any_pair_loss under(const divergence_link& link) const = 0;

    std::string name = "preference";
    bool uses_reference = false, has_statistic = false, is_of_margin = false, takes_weights = true, takes_ld_alpha = true;
  };

  template <class L> struct holder final : held {
    explicit holder(L chosen) : loss(std::move(chosen)) {
      if constexpr (pair_loss<L>) {
        if constexpr (requires { L::name; }) this->name = L::name;
        this->uses_reference = tilt::uses_reference<L>();
        this->has_statistic = tilt::has_statistic<L>;
      } else {
        this->name = loss.name();
        this->uses_reference = loss.uses_reference();
        this->has_statistic = loss.has_statistic();
      }
      this->is_of_margin = tilt::is_of_margin(loss);
      this->takes_weights = tilt::takes_weights(loss);
      this->takes_ld_alpha = tilt::takes_ld_alpha(loss);
    }
    pair_metrics evaluate_batch(const pair_batch<double>& batch, const pair_outputs<double>& out) override {
      return evaluate(loss, batch, out);
    }
    void check() const override {
      if constexpr (requires { loss.check(); }) loss.check();
    }
    void reserve(index n) override {
      if constexpr (requires { loss.reserve(n); }) loss.reserve(n);
    }
    bool lengths() const override { return tilt::uses_lengths(loss); }
    bool scores() const override { return tilt::uses_scores(loss); }
    bool win_probability() const override { return tilt::uses_win_probability(loss); }
    any_pair_loss under(const divergence_link& link) const override {
      if constexpr (requires { loss.under(link); })
        return loss.under(link);
      else if constexpr (pair_loss<L> && tilt::is_of_margin<L>())
        return with_divergence<L>{loss, link};
      else
        detail::refuse("f_divergence_type", "the loss " + this->name + " does not use it", "leave it away, or choose a loss that does");
    }
    L loss;
  };

  std::shared_ptr<held> self_;
};

/// Σ_k w_k·L_k of pair losses chosen at run time: TRL's list of loss_types with its loss_weights. Rewards are the first loss's.
class weighted_losses {
 public:
  /// Throws input_error if there is none, or if all weights are 0.
  explicit weighted_losses(std::vector<std::pair<any_pair_loss, double>> parts) : parts_(std::move(parts)) { check(); }

  std::string name() const {
    std::string all;
    for (const auto& [loss, weight] : parts_)
      all += (all.empty() ? "" : " + ") + detail::number_text(weight) + " " + std::string(loss.name());
    return all;
  }
  bool uses_reference() const {
    return any([](const any_pair_loss& loss) { return loss.uses_reference(); });
  }
  bool has_statistic() const {
    return any([](const any_pair_loss& loss) { return loss.has_statistic(); });
  }
  bool uses_lengths() const {
    return any([](const any_pair_loss& loss) { return loss.uses_lengths(); });
  }
  bool uses_scores() const {
    return any([](const any_pair_loss& loss) { return loss.uses_scores(); });
  }
  bool uses_win_probability() const {
    return any([](const any_pair_loss& loss) { return loss.uses_win_probability(); });
  }
  bool is_of_margin() const {
    return !any([](const any_pair_loss& loss) { return !loss.is_of_margin(); });
  }
  bool takes_weights() const {
    return !any([](const any_pair_loss& loss) { return !loss.takes_weights(); });
  }
  bool takes_ld_alpha() const {
    return !any([](const any_pair_loss& loss) { return !loss.takes_ld_alpha(); });
  }
  weighted_losses under(const divergence_link& link) const {
    weighted_losses linked = *this;
    for (auto& [loss, weight] : linked.parts_) loss = loss.under(link);
    return linked;
  }
  void check() const {
    double total = 0;
    for (const auto& [loss, weight] : parts_) {
      loss.check();
      detail::require_weight("loss_weights", weight);
      total += weight;
    }
    detail::require_usable(total > 0, "loss_weights", total, "nothing would be left to learn; give one loss a positive weight");
  }
  void reserve(index n) {
    for (column* c : {&losses_, &chosen_, &rejected_})
      if (static_cast<index>(c->size()) < n) c->resize(static_cast<std::size_t>(n));
    for (const auto& [loss, weight] : parts_) loss.reserve(n);
  }

  friend pair_metrics evaluate(weighted_losses& sum, const pair_batch<double>& batch, const pair_outputs<double>& out) {
    sum.reserve(batch.policy_chosen.size());
    const pair_outputs<double> one{.losses = part(sum.losses_, out.losses),
                                   .gradient_chosen = part(sum.chosen_, out.gradient_chosen),
                                   .gradient_rejected = part(sum.rejected_, out.gradient_rejected)};
    const double first = sum.parts_[0].second;
    pair_metrics metrics = evaluate(sum.parts_[0].first, for_part(sum.parts_[0].first, batch), out);
    metrics.loss *= first;
    for (const auto* to : {&out.losses, &out.gradient_chosen, &out.gradient_rejected})
      for (index i = 0; i < to->size(); ++i) (*to)[i] *= first;
    for (std::size_t k = 1; k < sum.parts_.size(); ++k) {
      const auto& [loss, weight] = sum.parts_[k];
      metrics.loss += weight * evaluate(loss, for_part(loss, batch), one).loss;
      add(weight, one.losses, out.losses);
      add(weight, one.gradient_chosen, out.gradient_chosen);
      add(weight, one.gradient_rejected, out.gradient_rejected);
    }
    return metrics;
  }

 private:
  using column = std::vector<double>;

  /// A batch without the columns that only other parts read.
  static pair_batch<double> for_part(const any_pair_loss& loss, pair_batch<double> batch) {
    if (!loss.uses_scores()) batch.score_chosen = batch.score_rejected = {};
    if (!loss.uses_win_probability()) batch.win_probability = {};
    return batch;
  }

  static host_range<double> part(column& scratch, const host_range<double>& wanted) {
    return wanted.given() ? host_range<double>(scratch.data(), wanted.size()) : host_range<double>();
  }
  static void add(double weight, const host_range<double>& from, const host_range<double>& to) {
    for (index i = 0; i < to.size(); ++i) to[i] += weight * from[i];
  }
  template <class F> bool any(const F& f) const {
    for (const auto& [loss, weight] : parts_)
      if (f(loss)) return true;
    return false;
  }

  std::vector<std::pair<any_pair_loss, double>> parts_;
  column losses_, chosen_, rejected_;
};

}  // namespace tilt
