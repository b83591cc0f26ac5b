// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/error.hpp>
#include <tilt/scalar/config.hpp>

namespace tilt {

enum class architecture { llama, mistral, qwen2, qwen3, gpt2 };
enum class norm_kind { rms, layer };
enum class feed_forward_kind { swiglu, gelu_tanh };
enum class rope_kind { none, standard, llama3 };

/// Llama-3's stretching of rotary frequencies (transformers' rope_type "llama3").
struct rope_stretch {
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
};

/// A decoder as data: what distinguishes Llama, Mistral, Qwen2, Qwen3 and GPT-2. Field names follow Hugging Face's config.json
/// where it has the thing; sizes are counts.
struct model_config {
  architecture type = architecture::llama;
  index vocab_size = 0;
  index hidden_size = 0;
  index intermediate_size = 0;
  index num_hidden_layers = 0;
  index num_attention_heads = 0;
  index num_key_value_heads = 0;
  index head_dim = 0;
  index max_position_embeddings = 0;
  norm_kind norm = norm_kind::rms;
  double norm_epsilon = 1e-5;
  feed_forward_kind feed_forward = feed_forward_kind::swiglu;
  rope_kind rope = rope_kind::standard;
  double rope_theta = 10000;
  rope_stretch stretch = {};
  bool learned_positions = false;     ///< GPT-2: a table of positions is added to the embedding
  bool attention_bias = false;        ///< q, k and v have biases (Qwen2, GPT-2, Llama with attention_bias)
  bool output_bias = false;           ///< the attention's output projection has one (GPT-2, Llama with attention_bias)
  bool feed_forward_bias = false;     ///< GPT-2, Llama with mlp_bias
  bool qk_norm = false;               ///< Qwen3: RMSNorm of each head's query and key
  bool tie_word_embeddings = true;
  bool vocabulary_head = true;        ///< predicts tokens; a reward model does not
  bool value_head = false;            ///< a scalar of each hidden state ("score.weight"): reward models and value functions
  double initializer_range = 0.02;
  token bos_token_id = -1;            ///< -1: none
  token eos_token_id = -1;
  token pad_token_id = -1;            ///< read by reward models, which pass it over at a text's end

  index query_width() const { return num_attention_heads * head_dim; }
  index key_width() const { return num_key_value_heads * head_dim; }

  /// Throws input_error where the numbers do not describe a decoder.
  void check() const {
    const auto positive = [](index value, const char* name) {
      if (value <= 0) throw input_error(std::string("config: ") + name + " is " + std::to_string(value) + "; it must be positive");
    };
    positive(vocab_size, "vocab_size");
    positive(hidden_size, "hidden_size");
    positive(intermediate_size, "intermediate_size");
    positive(num_hidden_layers, "num_hidden_layers");
    positive(num_attention_heads, "num_attention_heads");
    positive(num_key_value_heads, "num_key_value_heads");
    positive(head_dim, "head_dim");
    positive(max_position_embeddings, "max_position_embeddings");
    if (num_attention_heads % num_key_value_heads != 0)
      throw input_error("config: num_attention_heads (" + std::to_string(num_attention_heads) +
                        ") must be a multiple of num_key_value_heads (" + std::to_string(num_key_value_heads) + ")");
    if (rope != rope_kind::none && head_dim % 2 != 0)
      throw input_error("config: head_dim is " + std::to_string(head_dim) + "; rotary embedding needs an even one");
    if (!vocabulary_head && !value_head) throw input_error("config: the model has no head; give it one for the vocabulary or for a value");
    if (!(norm_epsilon > 0)) throw input_error("config: the norm's epsilon must be positive");
  }
};

}  // namespace tilt
