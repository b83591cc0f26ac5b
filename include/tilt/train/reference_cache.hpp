// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <tilt/model/transformer.hpp>
#include <tilt/train/run_settings.hpp>
#include <tilt/train/scores.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// Where the tokens of examples' responses lie among all of them: of response r from tokens[r] on, of example i from response responses[i] on.
struct response_places {
  std::vector<index> tokens{0}, responses{0};

  index count() const { return tokens.back(); }
};

/// Log-probabilities of every response token of some examples under a frozen reference, computed once. Where sums of rows do not
/// depend on the batch (a row_exact backend), they equal to the bit what the reference would say in any micro-batch.
template <class T> class reference_cache {
 public:
  reference_cache() = default;
  reference_cache(response_places places, std::vector<T> logps) : places_(std::move(places)), logps_(std::move(logps)) {}

  /// All tokens of an example's responses, one response after the other.
  std::span<const T> logps(index example) const {
    const index begin = begin_of(example), end = begin_of(example + 1);
    return {logps_.data() + begin, static_cast<std::size_t>(end - begin)};
  }
  std::span<const T> logps() const { return logps_; }

 private:
  index begin_of(index example) const { return places_.tokens[static_cast<std::size_t>(places_.responses[static_cast<std::size_t>(example)])]; }

  response_places places_;
  std::vector<T> logps_;
};

/// What log-probabilities of a reference depend on to the bit, each under its name.
using reference_key = std::vector<named_value>;

/// A place in which they outlive a run. `find` has those that were kept under the key, `count` of them, or nothing; `holds` is whether it
/// would, and changes nothing.
template <class T> struct reference_store {
  std::function<bool(const reference_key& key, index count)> holds;
  std::function<std::optional<std::vector<T>>(const reference_key& key, index count)> find;
  std::function<void(const reference_key& key, std::span<const T> logps)> keep;
};

/// Lays examples down in packs of at most max_tokens, `lay_down(packs, i)` for example i of `count`, and calls `use(pack, done)` for each of
/// them; done: about how many examples it and those before it hold, in the end all.
template <class LayDown, class Use>
response_places lay_out_examples(index count, index max_tokens, const LayDown& lay_down, const Use& use) {
  constexpr index examples_at_once = 256;
  tree_packs packs(max_tokens);
  response_places places;
  for (index from = 0; from < count; from += examples_at_once) {
    const index end = std::min(count, from + examples_at_once);
    packs.clear();
    for (index i = from; i < end; ++i) lay_down(packs, i);
    for (index p = 0; p < packs.size(); ++p) {
      use(packs[p], from + (end - from) * (p + 1) / packs.size());
      const index before = places.count();
      for (std::size_t r = 1; r < packs[p].response_begin.size(); ++r) places.tokens.push_back(before + packs[p].response_begin[r]);
    }
    for (index i = from; i < end; ++i) places.responses.push_back(places.responses.back() + packs.responses_of(i - from));
  }
  return places;
}

/// Runs a model over the examples' packs and keeps every response token's log-probability. O(tokens) memory for the result, one pack's
/// activations beside it. After each pack `watch(done)` is told how many examples are done.
template <class B, class LayDown, class Watch>
reference_cache<typename B::scalar> score_examples(transformer<B>& model, index count, index max_tokens, const LayDown& lay_down,
                                                   const Watch& watch) {
  pass<B> scoring(model, pass_kind::inference);
  std::vector<typename B::scalar> logps;
  response_places places = lay_out_examples(count, max_tokens, lay_down, [&](const packed_trees& pack, index done) {
    scoring.forward(pack);
    logps.insert(logps.end(), scoring.logps().begin(), scoring.logps().end());
    watch(done);
  });
  return {std::move(places), std::move(logps)};
}

}  // namespace tilt
