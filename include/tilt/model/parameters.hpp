// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <tilt/model/config.hpp>
#include <vector>

namespace tilt {

/// One named tensor of a model: where it lies in the flat buffer of weights (or of gradients, or of moments).
struct parameter {
  std::string name;          ///< as in Hugging Face's model.safetensors
  std::vector<index> shape;  ///< as in that file
  index offset = 0;          ///< of its first element in the flat buffer; of weights that lie elsewhere, from the first tensor's
  index count = 0;           ///< number of elements
  bool decays = true;        ///< weight decay applies: matrices yes, norms and biases no (transformers' rule)
  bool transposed = false;   ///< held transposed to the file (GPT-2's Conv1D keeps [in, out]; here every matrix is [out, in])
};

namespace detail {

/// y = x·Wᵀ + b; W is [out, in], b is null where the model has none.
template <class T> struct linear_weights {
  T* weight = nullptr;
  T* bias = nullptr;
  index out = 0, in = 0;
};

/// Weight and, for LayerNorm, bias.
template <class T> struct norm_weights {
  T* weight = nullptr;
  T* bias = nullptr;
};

template <class T> struct layer_weights {
  norm_weights<T> attention_norm, feed_forward_norm, query_norm, key_norm;
  linear_weights<T> query, key, value, output, gate, up, down;
};

/// All of a decoder's tensors as pointers into a flat buffer.
template <class T> struct decoder_weights {
  T* embedding = nullptr;   ///< [V, d]
  T* positions = nullptr;   ///< [P, d], GPT-2 only
  T* head = nullptr;        ///< [V, d]; the embedding where tied; not read without a vocabulary head
  T* value = nullptr;       ///< [1, d]; null without a value head
  norm_weights<T> final_norm;
};

/// What transformers calls the scalar head.
inline constexpr const char* value_parameter = "score.weight";

/// The table of a model's tensors and the way from it to pointers. Tensors that decay come first in the flat buffer, so that an
/// optimiser needs two loops and no mask.
class parameter_table {
 public:
  explicit parameter_table(const model_config& config) : config_(config) {
    if (config.type == architecture::gpt2) list_gpt2();
    else list_llama();
    index offset = 0;
    for (const bool decays : {true, false}) {
      for (parameter& p : parameters_)
        if (p.decays == decays) {
          p.offset = offset;
          offset += p.count;
        }
      if (decays) decayed_size_ = offset;
    }
    size_ = offset;
  }

  /// Has tensor i begin at offsets[i] from now on: for weights that were laid down by somebody else.
  void place(std::span<const index> offsets) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].offset = offsets[i];
  }

  const std::vector<parameter>& parameters() const { return parameters_; }
  index size() const { return size_; }
  index decayed_size() const { return decayed_size_; }

  template <class T> decoder_weights<T> decoder(T* base) const {
    decoder_weights<T> w;
    w.embedding = at(base, embedding_);
    w.positions = at(base, positions_);
    w.head = head_ < 0 ? w.embedding : at(base, head_);
    w.value = at(base, value_);
    w.final_norm = norm(base, final_norm_);
    return w;
  }

  template <class T> layer_weights<T> layer(T* base, index l) const {
    const layer_entries& e = layers_[static_cast<std::size_t>(l)];
    const index d = config_.hidden_size, f = config_.intermediate_size, q = config_.query_width(), k = config_.key_width();
    layer_weights<T> w;
    w.attention_norm = norm(base, e.attention_norm);
    w.feed_forward_norm = norm(base, e.feed_forward_norm);
    w.query_norm.weight = at(base, e.query_norm);
    w.key_norm.weight = at(base, e.key_norm);
    if (config_.type == architecture::gpt2) {  // one matrix holds the rows of q, k and v
      T* const weight = at(base, e.query.weight);
      T* const bias = at(base, e.query.bias);
      w.query = {weight, bias, q, d};
      w.key = {weight + q * d, bias + q, k, d};
      w.value = {weight + (q + k) * d, bias + q + k, k, d};
    } else {
      w.query = {at(base, e.query.weight), at(base, e.query.bias), q, d};
      w.key = {at(base, e.key.weight), at(base, e.key.bias), k, d};
      w.value = {at(base, e.value.weight), at(base, e.value.bias), k, d};
      w.gate = {at(base, e.gate.weight), at(base, e.gate.bias), f, d};
    }
    w.output = {at(base, e.output.weight), at(base, e.output.bias), d, q};
    w.up = linear_weights<T>{at(base, e.up.weight), at(base, e.up.bias), f, d};  // named, or nvcc 13 takes f for unused
    w.down = {at(base, e.down.weight), at(base, e.down.bias), d, f};
    return w;
  }

 private:
  struct entries {
    int weight = -1, bias = -1;
  };
  struct layer_entries {
    entries attention_norm, feed_forward_norm, query, key, value, output, gate, up, down;
    int query_norm = -1, key_norm = -1;
  };

  int add(std::string name, std::vector<index> shape, bool decays, bool transposed = false) {
    parameter p{std::move(name), std::move(shape), 0, 1, decays, transposed};
    for (const index extent : p.shape) p.count *= extent;
    parameters_.push_back(std::move(p));
    return static_cast<int>(parameters_.size()) - 1;
  }
  entries linear(const std::string& name, index out, index in, bool bias, bool conv1d = false) {
    entries e;
    e.weight = add(name + ".weight", conv1d ? std::vector<index>{in, out} : std::vector<index>{out, in}, true, conv1d);
    if (bias) e.bias = add(name + ".bias", {out}, false);
    return e;
  }
  entries norm_entries(const std::string& name, index width) {
    entries e;
    e.weight = add(name + ".weight", {width}, false);
    if (config_.norm == norm_kind::layer) e.bias = add(name + ".bias", {width}, false);
    return e;
  }

  void list_llama() {
    const model_config& c = config_;
    const index d = c.hidden_size, f = c.intermediate_size;
    embedding_ = add("model.embed_tokens.weight", {c.vocab_size, d}, true);
    for (index l = 0; l < c.num_hidden_layers; ++l) {
      const std::string prefix = "model.layers." + std::to_string(l) + ".";
      layer_entries e;
      e.query = linear(prefix + "self_attn.q_proj", c.query_width(), d, c.attention_bias);
      e.key = linear(prefix + "self_attn.k_proj", c.key_width(), d, c.attention_bias);
      e.value = linear(prefix + "self_attn.v_proj", c.key_width(), d, c.attention_bias);
      e.output = linear(prefix + "self_attn.o_proj", d, c.query_width(), c.output_bias);
      if (c.qk_norm) {
        e.query_norm = add(prefix + "self_attn.q_norm.weight", {c.head_dim}, false);
        e.key_norm = add(prefix + "self_attn.k_norm.weight", {c.head_dim}, false);
      }
      e.gate = linear(prefix + "mlp.gate_proj", f, d, c.feed_forward_bias);
      e.up = linear(prefix + "mlp.up_proj", f, d, c.feed_forward_bias);
      e.down = linear(prefix + "mlp.down_proj", d, f, c.feed_forward_bias);
      e.attention_norm = norm_entries(prefix + "input_layernorm", d);
      e.feed_forward_norm = norm_entries(prefix + "post_attention_layernorm", d);
      layers_.push_back(e);
    }
    final_norm_ = norm_entries("model.norm", d);
    list_heads();
  }

  void list_gpt2() {
    const model_config& c = config_;
    const index d = c.hidden_size, f = c.intermediate_size;
    embedding_ = add("transformer.wte.weight", {c.vocab_size, d}, true);
    positions_ = add("transformer.wpe.weight", {c.max_position_embeddings, d}, true);
    for (index l = 0; l < c.num_hidden_layers; ++l) {
      const std::string prefix = "transformer.h." + std::to_string(l) + ".";
      layer_entries e;
      e.attention_norm = norm_entries(prefix + "ln_1", d);
      e.query = linear(prefix + "attn.c_attn", 3 * d, d, true, true);
      e.output = linear(prefix + "attn.c_proj", d, d, true, true);
      e.feed_forward_norm = norm_entries(prefix + "ln_2", d);
      e.up = linear(prefix + "mlp.c_fc", f, d, true, true);
      e.down = linear(prefix + "mlp.c_proj", d, f, true, true);
      layers_.push_back(e);
    }
    final_norm_ = norm_entries("transformer.ln_f", d);
    list_heads();
  }

  /// Names of transformers' classes for causal language modelling and for sequence classification with one label.
  void list_heads() {
    if (config_.vocabulary_head && !config_.tie_word_embeddings) head_ = add("lm_head.weight", {config_.vocab_size, config_.hidden_size}, true);
    if (config_.value_head) value_ = add(value_parameter, {1, config_.hidden_size}, true);
  }

  template <class T> T* at(T* base, int entry) const {
    return entry < 0 ? nullptr : base + parameters_[static_cast<std::size_t>(entry)].offset;
  }
  template <class T> norm_weights<T> norm(T* base, entries e) const { return {at(base, e.weight), at(base, e.bias)}; }

  model_config config_;
  std::vector<parameter> parameters_;
  std::vector<layer_entries> layers_;
  entries final_norm_;
  int embedding_ = -1, positions_ = -1, head_ = -1, value_ = -1;
  index size_ = 0, decayed_size_ = 0;
};

}  // namespace detail
}  // namespace tilt
