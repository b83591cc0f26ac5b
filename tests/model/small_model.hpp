// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <random>
#include <tilt/model/pass.hpp>

namespace tilt::test {

/// A small decoder of each architecture, with odd sizes so that tails and ragged tiles are met.
inline model_config small_config(architecture type) {
  model_config c;
  c.type = type;
  c.vocab_size = 61;
  c.hidden_size = 20;
  c.intermediate_size = 27;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 6;
  c.max_position_embeddings = 256;
  c.tie_word_embeddings = type != architecture::mistral;
  if (type == architecture::qwen2) c.attention_bias = true;
  if (type == architecture::qwen3) c.qk_norm = true;
  if (type == architecture::gpt2) {
    c.head_dim = 5;
    c.num_key_value_heads = 4;
    c.norm = norm_kind::layer;
    c.feed_forward = feed_forward_kind::gelu_tanh;
    c.rope = rope_kind::none;
    c.learned_positions = c.attention_bias = c.output_bias = c.feed_forward_bias = true;
  }
  return c;
}

inline constexpr architecture every_architecture[] = {architecture::llama, architecture::mistral, architecture::qwen2, architecture::qwen3, architecture::gpt2};

/// Weights that are all away from 0 and 1, the same numbers for every backend.
template <class B> void randomize(transformer<B>& model, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> draw;
  for (const parameter& p : model.parameters()) {
    std::vector<double> values(static_cast<std::size_t>(p.count));
    const bool scale = !p.decays && p.name.ends_with("weight");
    for (double& v : values) v = (scale ? 1.0 : 0.0) + 0.25 * draw(engine);
    model.set(p, std::span<const double>(values));
  }
}

inline std::vector<token> random_tokens(std::size_t n, unsigned seed, token vocabulary = 61) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<token> draw(0, vocabulary - 1);
  std::vector<token> ids(n);
  for (token& id : ids) id = draw(engine);
  return ids;
}

/// Appends a tree: a prompt and responses, whose tokens are the targets.
inline void append_tree(packed_trees& trees, const std::vector<token>& prompt, const std::vector<std::vector<token>>& responses) {
  const int root = static_cast<int>(trees.segments.size());
  const index begin = trees.tokens();
  const index n = static_cast<index>(prompt.size());
  trees.segments.push_back({begin, n, -1, 0});
  trees.ids.insert(trees.ids.end(), prompt.begin(), prompt.end());
  for (const auto& response : responses) {
    const index first = trees.tokens();
    trees.segments.push_back({first, static_cast<index>(response.size()), root, n});
    trees.ids.insert(trees.ids.end(), response.begin(), response.end());
    for (std::size_t i = 0; i < response.size(); ++i)
      trees.targets.push_back({i == 0 ? begin + n - 1 : first + static_cast<index>(i) - 1, response[i]});
    trees.response_begin.push_back(static_cast<index>(trees.targets.size()));
  }
}

/// Appends one flat sequence, whose tokens from `from` on are the targets.
inline void append_flat(packed_trees& trees, const std::vector<token>& ids, std::size_t from) {
  const index begin = trees.tokens();
  trees.segments.push_back({begin, static_cast<index>(ids.size()), -1, 0});
  trees.ids.insert(trees.ids.end(), ids.begin(), ids.end());
  for (std::size_t i = std::max<std::size_t>(from, 1); i < ids.size(); ++i) trees.targets.push_back({begin + static_cast<index>(i) - 1, ids[i]});
  trees.response_begin.push_back(static_cast<index>(trees.targets.size()));
}

inline std::vector<token> joined(std::vector<token> a, const std::vector<token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Log-probabilities of response r of the last forward.
template <class B> std::vector<typename B::scalar> response_logps(const pass<B>& p, const packed_trees& trees, std::size_t r) {
  const auto all = p.logps();
  return {all.begin() + trees.response_begin[r], all.begin() + trees.response_begin[r + 1]};
}

}  // namespace tilt::test
