// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <tilt/data/pack.hpp>
#include <tilt/model/pass.hpp>
#include <vector>

namespace tilt {

/// What passes said of the response tokens, or of whole responses ("targets") of a micro-batch, pack after pack, on the host. Response r owns the targets
/// [begin(r), begin(r + 1)). Memory is kept from one use to the next.
template <class T> class batch_scores {
 public:
  void clear() {
    logps_.clear();
    entropies_.clear();
    mean_logits_.clear();
    top1_.clear();
    log_squares_.clear();
    values_.clear();
    begin_.assign(1, 0);
  }
  void reserve(index responses, index targets, bool log_squares = false, bool values = false) {
    if (values) values_.reserve(static_cast<std::size_t>(targets));
    if (log_squares) log_squares_.reserve(static_cast<std::size_t>(targets));
    for (auto* v : {&logps_, &entropies_, &mean_logits_, &top1_}) v->reserve(static_cast<std::size_t>(targets));
    begin_.reserve(static_cast<std::size_t>(responses) + 1);
  }
  /// Adds the outcome of the pass's last forward, which was of this pack.
  template <class B> void append(const pass<B>& pass, const packed_trees& pack) {
    const index before = targets();
    append(logps_, pass.logps());
    append(entropies_, pass.entropies());
    append(mean_logits_, pass.mean_logits());
    append(top1_, pass.top1());
    append(log_squares_, pass.log_squares());
    append(values_, pass.values());
    for (std::size_t r = 1; r < pack.response_begin.size(); ++r) begin_.push_back(before + pack.response_begin[r]);
  }
  /// Adds a response whose tokens have these log-probabilities and are otherwise unknown (0); for who has no model at hand.
  void append(std::span<const T> logps, std::span<const T> log_squares = {}) {
    append(logps_, logps);
    append(log_squares_, log_squares);
    for (auto* v : {&entropies_, &mean_logits_, &top1_}) v->resize(logps_.size());
    begin_.push_back(static_cast<index>(logps_.size()));
  }

  index responses() const { return static_cast<index>(begin_.size()) - 1; }
  index targets() const { return begin_.back(); }
  index begin(index response) const { return begin_[static_cast<std::size_t>(response)]; }
  index tokens(index response) const { return begin(response + 1) - begin(response); }

  std::span<const T> logps() const { return logps_; }
  std::span<const T> logps(index response) const { return part(logps_, response); }
  std::span<const T> entropies(index response) const { return part(entropies_, response); }
  std::span<const T> mean_logits(index response) const { return part(mean_logits_, response); }
  std::span<const T> top1(index response) const { return part(top1_, response); }
  std::span<const T> log_squares(index response) const { return part(log_squares_, response); }
  std::span<const T> values(index response) const { return part(values_, response); }  ///< of the value head, if there is one

 private:
  static void append(std::vector<T>& to, std::span<const T> from) { to.insert(to.end(), from.begin(), from.end()); }
  std::span<const T> part(const std::vector<T>& of, index response) const {
    return {of.data() + begin(response), static_cast<std::size_t>(tokens(response))};
  }

  std::vector<T> logps_, entropies_, mean_logits_, top1_, log_squares_, values_;
  std::vector<index> begin_{0};
};

/// Σ in double, in order: the one way in which token values become a response's.
template <class T> double sum_of(std::span<const T> values) {
  double sum = 0;
  for (const T& x : values) sum += static_cast<double>(x);
  return sum;
}

}  // namespace tilt
