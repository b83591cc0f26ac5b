// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/model/config.hpp>
#include <tilt/tensor/packed_trees.hpp>

namespace tilt::bench {

/// A Llama of width d and heads of `head_dim`, as many for keys as for queries, its head tied to its embedding.
inline model_config llama_shape(index layers, index d, index head_dim, index feed_forward, index vocabulary) {
  model_config c;
  c.vocab_size = vocabulary;
  c.hidden_size = d;
  c.intermediate_size = feed_forward;
  c.num_hidden_layers = layers;
  c.head_dim = head_dim;
  c.num_attention_heads = c.num_key_value_heads = d / head_dim;
  c.max_position_embeddings = 2048;
  return c;
}

struct named_shape {
  std::string name;
  model_config config;
};

/// 20.1 million parameters, 14.2 of them the embedding's.
inline named_shape shape_20m() { return {"20M", llama_shape(6, 288, 48, 768, 49152)}; }

/// That of SmolLM2-135M.
inline named_shape shape_135m() {
  named_shape s{"135M", llama_shape(30, 576, 64, 1536, 49152)};
  s.config.num_key_value_heads = 3;
  return s;
}

/// Numbers that the weights of one layer's linear maps have: of keys and values, and of all else.
struct layer_size {
  double key_value, rest;
  explicit layer_size(const model_config& c)
      : key_value(2 * static_cast<double>(c.hidden_size * c.key_width())),
        rest(static_cast<double>(c.hidden_size * (2 * c.query_width() + 3 * c.intermediate_size))) {}
};

/// Keys that queries see, summed over the tokens [begin, begin + length) of a segment.
inline double visible_keys(const segment& s) {
  const auto n = static_cast<double>(s.length), before = static_cast<double>(s.position);
  return n * before + n * (n + 1) / 2;
}

/// Floating-point operations of forward and backward that no implementation can do without: 6 for each weight of a linear map and token
/// (in the last layer, of tokens that predict something, but for keys and values), 12·width for each query and key that it sees, 6·V·d for each
/// row of the head. What is computed again is not counted.
inline double pass_flops(const model_config& c, const packed_trees& trees, index rows) {
  const layer_size weights(c);
  const auto layers = static_cast<double>(c.num_hidden_layers), tokens = static_cast<double>(trees.tokens()),
             predicting = static_cast<double>(rows);
  double keys = 0;
  for (const segment& s : trees.segments) keys += visible_keys(s);
  const double share = tokens > 0 ? predicting / tokens : 0;  // of the last layer's queries
  return 6 * (layers * weights.key_value * tokens + weights.rest * ((layers - 1) * tokens + predicting)) +
         12 * static_cast<double>(c.query_width()) * keys * (layers - 1 + share) +
         6 * static_cast<double>(c.vocab_size * c.hidden_size) * predicting;
}

}  // namespace tilt::bench
