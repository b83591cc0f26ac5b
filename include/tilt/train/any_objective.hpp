// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <memory>
#include <tilt/train/objective.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// Any objective behind one type, for programs that choose theirs at run time: trainer<B, any_objective<T>> is compiled once for a
/// backend, however many losses there are. The loop calls an objective a few times for a micro-batch, so the virtual calls cost nothing;
/// what is computed, and its order, are the wrapped objective's. Allocates when it is made or copied, never in a step.
template <class T> class any_objective {
 public:
  template <objective<T> O>
  requires(!std::same_as<O, any_objective>) any_objective(O wrapped) : self_(std::make_unique<holder<O>>(std::move(wrapped))) {}
  any_objective(const any_objective& other) : self_(other.self_->clone()) {}
  any_objective(any_objective&&) noexcept = default;
  any_objective& operator=(any_objective other) noexcept {
    self_ = std::move(other.self_);
    return *this;
  }

  bool needs_reference() const { return self_->needs_reference(); }
  bool needs_mismatched() const { return self_->needs_mismatched(); }
  std::string_view name() const { return self_->name(); }
  std::vector<named_value> hyper_parameters() const { return self_->hyper_parameters(); }
  bool separable() const { return self_->separable(); }
  bool wants_log_squares() const { return self_->wants_log_squares(); }
  bool judges_responses() const { return self_->judges_responses(); }
  void check(const prompt_tree& tree) { self_->check(tree); }
  void reserve(index trees, index responses, index targets) { self_->reserve(trees, responses, targets); }
  void begin(const step_extent& step) { self_->begin(step); }
  void take_mismatched(std::span<const double> policy, std::span<const double> reference) { self_->take_mismatched(policy, reference); }
  void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) { self_->differentiate(batch, range, d); }
  double record(const micro_batch<T>& batch, meters& m) { return self_->record(batch, m); }
  void list(meters& m) { self_->list(m); }
  void report(const meters& m, metric_list& line) const { self_->report(m, line); }

  /// What the objective keeps from step to step, empty for most.
  std::vector<double> state() const { return self_->state(); }
  void restore(const std::vector<double>& state) { self_->restore(state); }

 private:
  struct held {
    virtual ~held() = default;
    virtual std::unique_ptr<held> clone() const = 0;
    virtual bool needs_reference() const = 0;
    virtual bool needs_mismatched() const = 0;
    virtual std::string_view name() const = 0;
    virtual std::vector<named_value> hyper_parameters() const = 0;
    virtual bool separable() const = 0;
    virtual bool wants_log_squares() const = 0;
    virtual bool judges_responses() const = 0;
    virtual void check(const prompt_tree& tree) = 0;
    virtual void reserve(index trees, index responses, index targets) = 0;
    virtual void begin(const step_extent& step) = 0;
    virtual void take_mismatched(std::span<const double> policy, std::span<const double> reference) = 0;
    virtual void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) = 0;
    virtual double record(const micro_batch<T>& batch, meters& m) = 0;
    virtual void list(meters& m) = 0;
    virtual void report(const meters& m, metric_list& line) const = 0;
    virtual std::vector<double> state() const = 0;
    virtual void restore(const std::vector<double>& state) = 0;
  };

  template <class O> struct holder final : held {
    explicit holder(O wrapped) : o(std::move(wrapped)) {}

    std::unique_ptr<held> clone() const override { return std::make_unique<holder>(o); }
    bool needs_reference() const override { return tilt::needs_reference(o); }
    bool needs_mismatched() const override { return tilt::needs_mismatched(o); }
    std::string_view name() const override { return o.name(); }
    std::vector<named_value> hyper_parameters() const override { return o.hyper_parameters(); }
    bool separable() const override { return o.separable(); }
    bool wants_log_squares() const override { return tilt::wants_log_squares(o); }
    bool judges_responses() const override { return tilt::judges_responses(o); }
    void check(const prompt_tree& tree) override { o.check(tree); }
    void reserve(index trees, index responses, index targets) override { o.reserve(trees, responses, targets); }
    void begin(const step_extent& step) override { o.begin(step); }
    void take_mismatched(std::span<const double> policy, std::span<const double> reference) override {
      if constexpr (requires { o.take_mismatched(policy, reference); }) o.take_mismatched(policy, reference);
    }
    void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) override { o.differentiate(batch, range, d); }
    double record(const micro_batch<T>& batch, meters& m) override { return o.record(batch, m); }
    void list(meters& m) override { o.list(m); }
    void report(const meters& m, metric_list& line) const override { o.report(m, line); }
    std::vector<double> state() const override {
      if constexpr (requires { o.state(); })
        return o.state();
      else
        return {};
    }
    void restore(const std::vector<double>& state) override {
      if constexpr (requires { o.restore(state); }) o.restore(state);
    }

    O o;
  };

  std::unique_ptr<held> self_;
};

}  // namespace tilt
