// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <tilt/train/any_objective.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// A sum of objectives over the same examples, put together at run time, of numbers of type T: TRL's list of loss_type, the weights being in the
/// parts (mixed preference optimisation, Wang et al. 2024, arXiv 2411.10442).
///   mixed_objective<float> mpo;
///   mpo.add(preference_objective(dpo{}, {.loss_weight = 0.8})).add(preference_objective(bco_pair{}, {.loss_weight = 0.2}));
/// The log has the first part's metrics. Parts that need mismatched responses (KTO) cannot be in it.
template <class T> class mixed_objective {
 public:
  static constexpr bool needs_mismatched = false;

  mixed_objective& add(any_objective<T> part) {
    if (part.needs_mismatched())
      throw input_error("loss_type: " + std::string(part.name()) +
                        " takes mismatched responses, which a sum of losses has not; train it by itself");
    name_ += (name_.empty() ? "" : " + ") + std::string(part.name());
    parts_.push_back(std::move(part));
    if (parts_.size() > 1) parts_.back().list(unread_);
    return *this;
  }

  std::string_view name() const { return name_; }
  /// Of one part as they are; of several with the part's name behind them, as losses share names of options.
  std::vector<named_value> hyper_parameters() const {
    std::vector<named_value> all;
    for (const any_objective<T>& p : parts_)
      for (const named_value& v : p.hyper_parameters()) all.push_back({parts_.size() > 1 ? v.name + " of " + std::string(p.name()) : v.name, v.value});
    return all;
  }
  bool needs_reference() const {
    return any([](const any_objective<T>& p) { return p.needs_reference(); });
  }
  bool separable() const {
    return !any([](const any_objective<T>& p) { return !p.separable(); });
  }
  bool wants_log_squares() const {
    return any([](const any_objective<T>& p) { return p.wants_log_squares(); });
  }
  void check(const prompt_tree& tree) {
    if (parts_.empty()) throw input_error("loss_type: there is none; add an objective");
    for (auto& p : parts_) p.check(tree);
  }
  void reserve(index trees, index responses, index targets) {
    for (auto& p : parts_) p.reserve(trees, responses, targets);
    sum_.reserve(static_cast<std::size_t>(targets));
  }
  void begin(const step_extent& step) {
    for (auto& p : parts_) p.begin(step);
  }

  void differentiate(const micro_batch<T>& batch, const tree_range& range, std::span<T> d) {
    parts_[0].differentiate(batch, range, d);
    index response = range.first_response;
    for (index t = range.first; t < range.first + range.count; ++t) response += static_cast<index>(batch.tree(t).responses.size());
    for (std::size_t k = 1; k < parts_.size(); ++k) {
      sum_.resize(d.size());
      parts_[k].differentiate(batch, range, sum_);
      for (index i = batch.scores.begin(range.first_response); i < batch.scores.begin(response); ++i)
        d[static_cast<std::size_t>(i)] += sum_[static_cast<std::size_t>(i)];
    }
  }
  double record(const micro_batch<T>& batch, meters& m) {
    double loss = parts_[0].record(batch, m);
    for (std::size_t k = 1; k < parts_.size(); ++k) loss += parts_[k].record(batch, unread_);
    return loss;
  }
  void list(meters& m) { parts_.at(0).list(m); }
  void report(const meters& m, metric_list& line) const { parts_.at(0).report(m, line); }

 private:
  template <class F> bool any(const F& f) const { return std::any_of(parts_.begin(), parts_.end(), f); }

  std::vector<any_objective<T>> parts_;
  std::string name_;
  std::vector<T> sum_;
  meters unread_;  // metrics of the parts after the first
};

}  // namespace tilt
