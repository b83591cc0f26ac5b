// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/philox.hpp>
#include <tilt/tensor/reference.hpp>
#include <tilt/train/trainer.hpp>
#include <vector>

namespace tilt::test {

/// A decoder so small that the plain backend trains it in milliseconds, with weights large enough that its distributions are not flat.
inline model_config small_config() {
  model_config c;
  c.vocab_size = 23;
  c.hidden_size = 12;
  c.intermediate_size = 20;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 6;
  c.max_position_embeddings = 48;
  c.initializer_range = 0.4;
  return c;
}

/// `responses` random responses to each of some random prompts, of lengths that differ; token 2 ends a response. Pairs have the edge
/// first to second; labels alternate with period 3.
inline std::vector<prompt_tree> random_examples(index count, int responses, std::uint64_t seed) {
  std::vector<prompt_tree> examples;
  for (index i = 0; i < count; ++i) {
    const philox draw(seed, static_cast<std::uint64_t>(i));
    std::uint64_t counter = 0;
    const auto below = [&](int n) { return static_cast<int>(draw(counter++)[0] % static_cast<std::uint32_t>(n)); };
    const auto text = [&](int length) {
      std::vector<token> tokens;
      for (int t = 0; t < length; ++t) tokens.push_back(3 + below(20));
      return tokens;
    };
    prompt_tree tree;
    tree.line = i + 1;
    tree.prompt = text(1 + below(6));
    for (int r = 0; r < responses; ++r) {
      tree.responses.push_back({text(below(7)), (i + r) % 3 != 0});
      tree.responses.back().tokens.push_back(2);
    }
    if (responses == 2) tree.edges.push_back({0, 1});
    examples.push_back(std::move(tree));
  }
  return examples;
}

/// A backend and a policy on it.
template <class T = double> struct world {
  using B = reference_backend<T>;
  B backend;
  transformer<B> policy;

  explicit world(std::uint64_t seed = 5) : policy(backend, small_config()) { policy.initialize(seed); }
  std::vector<T> weights() const {
    std::vector<T> w(static_cast<std::size_t>(policy.size()));
    std::copy_n(policy.weights(), policy.size(), w.data());
    return w;
  }
};

}  // namespace tilt::test
