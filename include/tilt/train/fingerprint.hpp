// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tilt/data/prompt_tree.hpp>
#include <tilt/model/transformer.hpp>
#include <tilt/version.hpp>
#include <vector>

namespace tilt {

namespace detail {
/// A 64-bit hash of a sequence of bytes, to tell two contents apart that should be the same; not against an adversary.
class fingerprint {
 public:
  /// The size goes in first, so that a sequence of ranges cannot pass for another that is cut elsewhere.
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    mix(bytes);
    for (; bytes >= 8; at += 8, bytes -= 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      mix(word);
    }
    std::uint64_t rest = bytes;
    for (std::size_t i = 0; i < bytes; ++i) rest = rest << 8 | at[i];
    mix(rest);
  }
  template <class T> void add(std::span<const T> values) { add(values.data(), values.size_bytes()); }
  std::uint64_t value() const { return (state_ ^ state_ >> 29) * 0x9FB21C651E98DF25u; }

 private:
  void mix(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15u;
    state_ = (state_ << 27 | state_ >> 37) + 0x52DCE729u;
  }
  std::uint64_t state_ = 0x243F6A8885A308D3u;
};

/// Of all that training reads of them: tokens, those that a cut left out, labels, scores, preferences with their weights and margins.
inline std::uint64_t hash_of(std::span<const prompt_tree> examples) {
  fingerprint f;
  for (const prompt_tree& tree : examples) {
    const std::uint64_t counts[] = {tree.responses.size(), tree.edges.size()};
    f.add(std::span<const std::uint64_t>(counts));
    f.add(std::span<const token>(tree.prompt));
    for (const response& r : tree.responses) {
      f.add(std::span<const token>(r.tokens));
      f.add(std::span<const token>(r.uncut));
      f.add(&r.desirable, sizeof r.desirable);
      const double numbers[] = {r.weight, r.score ? 1.0 : 0.0, r.score.value_or(0)};
      f.add(std::span<const double>(numbers));
    }
    for (const edge& e : tree.edges) {
      const int ends[] = {e.chosen, e.rejected};
      f.add(std::span<const int>(ends));
      const double numbers[] = {e.weight, e.win_probability, e.margin};
      f.add(std::span<const double>(numbers));
    }
  }
  return f.value();
}

/// Of their tokens alone, those that a cut left out too.
inline std::uint64_t hash_of_tokens(std::span<const prompt_tree> examples) {
  fingerprint f;
  for (const prompt_tree& tree : examples) {
    const std::uint64_t responses = tree.responses.size();
    f.add(&responses, sizeof responses);
    f.add(std::span<const token>(tree.prompt));
    for (const response& r : tree.responses) {
      f.add(std::span<const token>(r.tokens));
      f.add(std::span<const token>(r.uncut));
    }
  }
  return f.value();
}

/// Of what a decoder computes by beside its weights.
inline std::uint64_t hash_of(const model_config& c) {
  const index sizes[] = {c.vocab_size,        c.hidden_size,          c.intermediate_size,   c.num_hidden_layers, c.num_attention_heads,
                         c.num_key_value_heads, c.head_dim,           static_cast<index>(c.type), static_cast<index>(c.norm),
                         static_cast<index>(c.feed_forward), static_cast<index>(c.rope), c.learned_positions, c.attention_bias, c.output_bias,
                         c.feed_forward_bias, c.qk_norm, c.tie_word_embeddings, c.vocabulary_head, c.value_head};
  const double numbers[] = {c.norm_epsilon, c.rope_theta, c.stretch.factor, c.stretch.low_freq_factor, c.stretch.high_freq_factor,
                            c.stretch.original_max_position_embeddings};
  fingerprint f;
  f.add(std::span<const index>(sizes));
  f.add(std::span<const double>(numbers));
  return f.value();
}

/// What the compiler made of the arithmetic: other builds may round otherwise.
inline std::string build_text() {
  std::string text = std::string(version) + ", compiler " + __VERSION__;
#ifdef __AVX2__
  text += ", avx2";
#endif
#ifdef __FMA__
  text += ", fma";
#endif
#ifdef __AVX512F__
  text += ", avx512";
#endif
  return text;
}

/// Of its weights, tensor by tensor, wherever they lie.
template <class B> std::uint64_t hash_of(const transformer<B>& model) {
  using T = typename B::scalar;
  fingerprint f;
  std::vector<T> copied;  // a tensor that is not in the host's memory
  for (const parameter& p : model.parameters()) {
    const T* const weights = model.weights() + p.offset;
    const auto count = static_cast<std::size_t>(p.count);
    if constexpr (computes_in_host_memory<B>) {
      f.add(std::span<const T>(weights, count));
    } else {
      copied.resize(count);
      model.backend().copy_out(weights, p.count, copied.data());
      f.add(std::span<const T>(copied));
    }
  }
  return f.value();
}
}  // namespace detail

}  // namespace tilt
