// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/decoder.hpp>

#include "small_model.hpp"
#include "support/catch.hpp"

namespace tilt::test {

/// The vocabulary of one spans several of the head's tiles.
inline model_config exactness_config(architecture type) {
  model_config c = small_config(type);
  if (type == architecture::mistral) c.vocab_size = 2 * detail::head_tile + 300;
  return c;
}

/// A sequence's log-probabilities have the same bits alone, as flat ids, in any batch and in any tree, and token by token with a
/// cache. `make(threads)` makes a backend.
template <class Make> void check_row_exactness(const Make& make) {
  const auto prompt = random_tokens(45, 1), other = random_tokens(7, 2);
  const std::vector<std::vector<token>> answers = {random_tokens(38, 3), random_tokens(1, 4), random_tokens(70, 5)};
  for (const architecture type : every_architecture) {
    auto backend = make(1);
    using B = std::remove_reference_t<decltype(*backend)>;
    transformer<B> model(*backend, exactness_config(type));
    randomize(model, 7);

    packed_trees alone;
    append_flat(alone, joined(prompt, answers[2]), prompt.size());
    pass<B> scorer(model, pass_kind::inference);
    scorer.forward(alone);
    const auto expected = response_logps(scorer, alone, 0);

    packed_trees tree;
    append_tree(tree, other, {answers[1], answers[0]});
    append_tree(tree, prompt, answers);
    append_flat(tree, other, 0);
    for (const int threads : {1, 2, 3}) {
      auto many = make(threads);
      transformer<B> same(*many, exactness_config(type));
      randomize(same, 7);
      for (const pass_kind kind : {pass_kind::inference, pass_kind::training}) {
        pass<B> batch(same, kind, {.kept_logits_bytes = 120 * detail::head_tile * static_cast<index>(sizeof(typename B::scalar)), .chunk_bytes = 1});
        batch.forward(tree);
        CHECK(response_logps(batch, tree, 4) == expected);
      }
    }

    packed_trees everything;  // every token predicts: no row is left out of the last layer but the final one
    append_flat(everything, joined(prompt, answers[2]), 0);
    scorer.forward(everything);
    const auto all = response_logps(scorer, everything, 0);
    CHECK(std::vector<typename B::scalar>(all.end() - static_cast<std::ptrdiff_t>(expected.size()), all.end()) == expected);

    decoder<B> steps(model, {.cache_tokens = 200, .new_tokens = 45, .segments = 3, .longest = 116});
    const int root = steps.prompt(prompt);
    const int first = steps.fork(root, 38), second = steps.fork(root, 70);
    for (std::size_t i = 0; i < answers[2].size(); ++i) {
      const auto z = steps.logits(i == 0 || i > answers[0].size() ? 0 : 1);
      // The head's own reduction, over the same logits, as `pass` does it.
      using T = typename B::scalar;
      const index v = model.config().vocab_size;
      std::vector<T> copy(z.begin(), z.end()), out(4), norm(1);
      std::vector<T> sums(static_cast<std::size_t>(detail::tile_sums<T>::size(1, v))), scratch(static_cast<std::size_t>(detail::head_scratch(v)));
      const std::int32_t begin[2] = {0, 1}, item[1] = {0}, label[1] = {answers[2][i]};
      detail::head_memory<T> memory;
      memory.sums = {sums.data(), detail::head_tiles(v)};
      memory.team = {scratch.data(), detail::head_scratch(v)};
      detail::head_outputs_of(*backend, matrix_of<const T>(copy.data(), 1, v), {begin, item, label}, memory, norm.data(), {&out[0], &out[1], &out[2], &out[3]});
      REQUIRE(out[0] == expected[i]);
      if (i < answers[0].size()) {
        const int branches[2] = {first, second};
        const token ids[2] = {answers[0][i], answers[2][i]};
        steps.append(branches, ids);
      } else {
        const int branches[1] = {second};
        const token ids[1] = {answers[2][i]};
        steps.append(branches, ids);
      }
    }
  }
}

}  // namespace tilt::test
