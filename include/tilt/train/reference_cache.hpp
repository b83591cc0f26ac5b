// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <span>
#include <tilt/model/transformer.hpp>
#include <tilt/train/scores.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// Log-probabilities of every response token of some examples under a frozen reference, computed once. Where sums of rows do not
/// depend on the batch (a row_exact backend), they equal to the bit what the reference would say in any micro-batch.
template <class T> class reference_cache {
 public:
  reference_cache() = default;
  reference_cache(std::vector<index> response_begin, std::vector<index> first_response, std::vector<T> logps)
      : response_begin_(std::move(response_begin)), first_response_(std::move(first_response)), logps_(std::move(logps)) {}

  /// All tokens of an example's responses, one response after the other.
  std::span<const T> logps(index example) const {
    const index begin = begin_of(first_response_[static_cast<std::size_t>(example)]), end = begin_of(first_response_[static_cast<std::size_t>(example) + 1]);
    return {logps_.data() + begin, static_cast<std::size_t>(end - begin)};
  }

 private:
  index begin_of(index response) const { return response_begin_[static_cast<std::size_t>(response)]; }

  std::vector<index> response_begin_{0}, first_response_{0};
  std::vector<T> logps_;
};

/// Calls body(from, end) for [0, count) in blocks of examples that are packed together.
template <class Body> void for_each_block(index count, const Body& body) {
  constexpr index examples_at_once = 256;
  for (index from = 0; from < count; from += examples_at_once) body(from, std::min(count, from + examples_at_once));
}

/// Runs a model over examples in packs of at most max_tokens and keeps every response token's log-probability. `lay_down(packs, i)` adds
/// example i, of `count`. O(tokens) memory for the result, one pack's activations beside it.
template <class B, class LayDown>
reference_cache<typename B::scalar> score_examples(transformer<B>& model, index count, index max_tokens, const LayDown& lay_down) {
  using T = typename B::scalar;
  pass<B> scoring(model, pass_kind::inference);
  tree_packs packs(max_tokens);
  std::vector<index> response_begin{0}, first_response{0};
  std::vector<T> logps;
  for_each_block(count, [&](index from, index end) {
    packs.clear();
    for (index i = from; i < end; ++i) lay_down(packs, i);
    for (index p = 0; p < packs.size(); ++p) {
      scoring.forward(packs[p]);
      const index before = static_cast<index>(logps.size());
      const auto values = scoring.logps();
      logps.insert(logps.end(), values.begin(), values.end());
      for (std::size_t r = 1; r < packs[p].response_begin.size(); ++r) response_begin.push_back(before + packs[p].response_begin[r]);
    }
    for (index i = from; i < end; ++i) first_response.push_back(first_response.back() + packs.responses_of(i - from));
  });
  return {std::move(response_begin), std::move(first_response), std::move(logps)};
}

}  // namespace tilt
