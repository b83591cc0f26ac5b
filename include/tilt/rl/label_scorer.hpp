// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <tilt/model/head.hpp>
#include <vector>

namespace tilt::detail {

/// Log-probabilities of labels under rows of logits, by the reduction that the head uses.
template <class B> class label_scorer {
 public:
  using T = typename B::scalar;
  label_scorer(B& backend, index vocabulary) : backend_(&backend), vocabulary_(vocabulary) {}

  /// Makes room for so many rows and labels in a call.
  void reserve(index rows, index labels) {
    grown<std::int32_t>(integers_, rows + 1 + 2 * labels);
    grown<T>(numbers_, number_count(rows, labels));
    host_integers_.reserve(static_cast<std::size_t>(rows + 1 + 2 * labels));
    logps_.reserve(static_cast<std::size_t>(labels));
  }

  /// labels[begin[r], begin[r + 1]) belong to row r of the logits [rows, V], which lie on the host. Gives one value a label.
  std::span<const T> operator()(std::span<const T> logits, std::span<const std::int32_t> begin, std::span<const std::int32_t> labels) {
    const index rows = static_cast<index>(begin.size()) - 1, count = static_cast<index>(labels.size());
    host_integers_.assign(begin.begin(), begin.end());
    for (index i = 0; i < count; ++i) host_integers_.push_back(static_cast<std::int32_t>(i));
    host_integers_.insert(host_integers_.end(), labels.begin(), labels.end());
    std::int32_t* const integers = grown<std::int32_t>(integers_, static_cast<index>(host_integers_.size()));
    const index sums = tile_sums<T>::size(rows, vocabulary_), scratch = head_scratch(vocabulary_);
    T* const numbers = grown<T>(numbers_, number_count(rows, count));
    backend_->copy_in(host_integers_.data(), static_cast<index>(host_integers_.size()), integers);
    backend_->copy_in(logits.data(), rows * vocabulary_, numbers);
    T* const normalizer = numbers + rows * vocabulary_;
    T* const out = normalizer + rows;
    const row_targets targets{integers, integers + rows + 1, integers + rows + 1 + count};
    head_memory<T> memory;
    memory.sums = {out + 4 * count, head_tiles(vocabulary_)};
    memory.team = {out + 4 * count + sums, scratch};
    head_outputs_of(*backend_, matrix_of<const T>(numbers, rows, vocabulary_), targets, memory, normalizer,
                    {out, out + count, out + 2 * count, out + 3 * count});
    logps_.resize(labels.size());
    backend_->copy_out(out, count, logps_.data());
    return logps_;
  }

 private:
  index number_count(index rows, index labels) const {
    return rows * vocabulary_ + rows + 4 * labels + tile_sums<T>::size(rows, vocabulary_) + head_scratch(vocabulary_) * backend_->teams();
  }
  template <class U> U* grown(std::vector<buffer_of<B, U>>& held, index size) {
    if (held.empty() || static_cast<index>(held[0].size()) < size) {
      held.clear();
      held.push_back(backend_->template allocate<U>(size + size / 2));
    }
    return held[0].data();
  }

  B* backend_;
  index vocabulary_;
  std::vector<buffer_of<B, std::int32_t>> integers_;  // one, or none yet
  std::vector<buffer_of<B, T>> numbers_;
  std::vector<std::int32_t> host_integers_;
  std::vector<T> logps_;
};

}  // namespace tilt::detail
