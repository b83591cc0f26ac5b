// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <tilt/data/prompt_tree.hpp>
#include <tilt/model/transformer.hpp>
#include <tilt/version.hpp>
#include <vector>

namespace tilt {

namespace detail {
/// A 64-bit hash of a sequence of bytes, to tell two contents apart that should be the same; not against an adversary.
class fingerprint {
 public:
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
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

inline std::uint64_t hash_of(std::span<const prompt_tree> examples) {
  fingerprint f;
  for (const prompt_tree& tree : examples) {
    f.add(std::span<const token>(tree.prompt));
    for (const response& r : tree.responses) f.add(std::span<const token>(r.tokens));
    const std::uint64_t count = tree.responses.size();
    f.add(&count, sizeof count);
  }
  return f.value();
}

template <class B> std::uint64_t hash_of(const transformer<B>& model) {
  using T = typename B::scalar;
  std::vector<T> weights(static_cast<std::size_t>(model.size()));
  model.backend().copy_out(model.weights(), model.size(), weights.data());
  fingerprint f;
  f.add(std::span<const T>(weights));
  return f.value();
}
}  // namespace detail

/// What a number that a model computed depends on, beside the formula: where all of it agrees, the bits do.
struct computation_key {
  std::uint64_t weights = 0;  ///< hash of the model's weights
  std::uint64_t data = 0;     ///< hash of the token ids
  std::string dtype;          ///< "float32", "float64"
  std::string backend;
  std::string build;          ///< version, compiler and instruction set

  friend bool operator==(const computation_key&, const computation_key&) = default;

  /// What differs, for a message; empty where nothing does.
  static std::string difference(const computation_key& a, const computation_key& b) {
    if (a.weights != b.weights) return "the reference model's weights";
    if (a.data != b.data) return "the examples";
    if (a.dtype != b.dtype) return "the number type (" + a.dtype + " and " + b.dtype + ")";
    if (a.backend != b.backend) return "the backend (" + a.backend + " and " + b.backend + ")";
    if (a.build != b.build) return "the build (" + a.build + " and " + b.build + ")";
    return "";
  }
};

inline std::string build_name() {
  std::string name = std::string("tilt ") + version;
#if defined(__clang__)
  name += ", clang " + std::to_string(__clang_major__);
#elif defined(__GNUC__)
  name += ", gcc " + std::to_string(__GNUC__);
#endif
#if defined(__AVX512F__)
  name += ", avx512";
#elif defined(__AVX2__)
  name += ", avx2";
#endif
#if defined(__FMA__)
  name += ", fma";
#endif
  return name;
}

template <class B> computation_key key_of(const transformer<B>& model, std::span<const prompt_tree> examples) {
  std::string backend = "unnamed";
  if constexpr (requires { std::string(B::name); }) backend = B::name;
  return {detail::hash_of(model), detail::hash_of(examples), "float" + std::to_string(8 * sizeof(typename B::scalar)), backend, build_name()};
}

}  // namespace tilt
