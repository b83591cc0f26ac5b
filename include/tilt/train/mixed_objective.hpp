// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <tilt/train/objective.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A sum of objectives over the same examples, put together at run time, of numbers of type T: TRL's list of loss_type, the weights being in the
/// parts (mixed preference optimisation, Wang et al. 2024, arXiv 2411.10442). One virtual call a micro-batch, and one type for any loss.
///   mixed_objective<float> mpo;
///   mpo.add(preference_objective(dpo{}, {.loss_weight = 0.8})), mpo.add(preference_objective(bco_pair{}, {.loss_weight = 0.2}));
/// The log has the first part's metrics. Parts that need mismatched responses (KTO) cannot be in it.
template <class T> class mixed_objective {
 public:
  static constexpr bool needs_reference = true;
  static constexpr bool needs_mismatched = false;

  mixed_objective() = default;
  mixed_objective(const mixed_objective& other) : name_(other.name_), sum_(other.sum_), unread_(other.unread_) {
    for (const auto& p : other.parts_) parts_.push_back(p->clone());
  }
  mixed_objective(mixed_objective&&) = default;
  mixed_objective& operator=(mixed_objective other) {
    std::swap(parts_, other.parts_);
    std::swap(name_, other.name_);
    std::swap(sum_, other.sum_);
    std::swap(unread_, other.unread_);
    return *this;
  }

  template <class Objective> mixed_objective& add(Objective objective) {
    static_assert(tilt::objective<Objective, T>);
    static_assert(!Objective::needs_mismatched, "a mixture's parts take no mismatched responses; train such a loss by itself");
    name_ += (name_.empty() ? "" : " + ") + std::string(objective.name());
    parts_.push_back(std::make_unique<part<Objective>>(std::move(objective)));
    if (parts_.size() > 1) parts_.back()->list(unread_);
    return *this;
  }

  std::string_view name() const { return name_; }
  bool separable() const { return all([](const interface& p) { return p.separable(); }); }
  bool wants_log_squares() const {
    return !all([](const interface& p) { return !p.wants_log_squares(); });
  }
  void check(const prompt_tree& tree) {
    if (parts_.empty()) throw input_error("loss_type: there is none; add an objective");
    for (auto& p : parts_) p->check(tree);
  }
  void reserve(index trees, index responses) {
    for (auto& p : parts_) p->reserve(trees, responses);
  }
  void begin(const step_extent& step) {
    for (auto& p : parts_) p->begin(step);
  }

  void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    parts_[0]->differentiate(batch, range, d);
    index response = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) response += static_cast<index>(batch.tree(t).responses.size());
    for (std::size_t k = 1; k < parts_.size(); ++k) {
      sum_.resize(d.size());
      parts_[k]->differentiate(batch, range, sum_);
      for (index i = batch.scores.begin(range.first_response); i < batch.scores.begin(response); ++i) d[static_cast<std::size_t>(i)] += sum_[static_cast<std::size_t>(i)];
    }
  }
  double record(const micro_batch<T>& batch, meters& m) {
    double loss = parts_[0]->record(batch, m);
    for (std::size_t k = 1; k < parts_.size(); ++k) loss += parts_[k]->record(batch, unread_);
    return loss;
  }
  void list(meters& m) const { parts_.at(0)->list(m); }
  void report(const meters& m, metric_list& line) const { parts_.at(0)->report(m, line); }

 private:
  struct interface {
    virtual ~interface() = default;
    virtual std::unique_ptr<interface> clone() const = 0;
    virtual bool separable() const = 0;
    virtual bool wants_log_squares() const = 0;
    virtual void check(const prompt_tree&) = 0;
    virtual void reserve(index, index) = 0;
    virtual void begin(const step_extent&) = 0;
    virtual void differentiate(const micro_batch<T>&, const tree_range&, std::span<T>) = 0;
    virtual double record(const micro_batch<T>&, meters&) = 0;
    virtual void list(meters&) const = 0;
    virtual void report(const meters&, metric_list&) const = 0;
  };
  template <class Objective> struct part final : interface {
    Objective objective;
    explicit part(Objective o) : objective(std::move(o)) {}
    std::unique_ptr<interface> clone() const override { return std::make_unique<part>(objective); }
    bool separable() const override { return objective.separable(); }
    bool wants_log_squares() const override {
      if constexpr (requires { objective.wants_log_squares(); }) return objective.wants_log_squares();
      else return false;
    }
    void check(const prompt_tree& tree) override { objective.check(tree); }
    void reserve(index trees, index responses) override { objective.reserve(trees, responses); }
    void begin(const step_extent& step) override { objective.begin(step); }
    void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) override { objective.differentiate(batch, range, d); }
    double record(const micro_batch<T>& batch, meters& m) override { return objective.record(batch, m); }
    void list(meters& m) const override { objective.list(m); }
    void report(const meters& m, metric_list& line) const override { objective.report(m, line); }
  };
  template <class F> bool all(const F& f) const {
    for (const auto& p : parts_)
      if (!f(*p)) return false;
    return true;
  }

  std::vector<std::unique_ptr<interface>> parts_;
  std::string name_;
  std::vector<T> sum_;
  meters unread_;  // metrics of the parts after the first
};

}  // namespace tilt
