// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model folder that needs no data from elsewhere: a Llama of one layer over the 256 bytes, with random weights.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "program.hpp"

namespace tilt::test {

struct tensor_text {
  std::vector<long> shape;
  std::vector<float> values;
};
using tensor_map = std::map<std::string, tensor_text>;

inline nlohmann::json tiny_config() {
  return {{"model_type", "llama"},
          {"vocab_size", 258},
          {"hidden_size", 16},
          {"intermediate_size", 24},
          {"num_hidden_layers", 1},
          {"num_attention_heads", 2},
          {"num_key_value_heads", 1},
          {"max_position_embeddings", 96},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", true},
          {"bos_token_id", 256},
          {"eos_token_id", 257},
          {"hidden_act", "silu"},
          {"architectures", {"LlamaForCausalLM"}}};
}

/// Weights of the tiny model; `seed` gives others.
inline tensor_map tiny_weights(std::uint32_t seed = 1) {
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  const auto draw = [&state] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (static_cast<float>(state >> 40) / 16777216.0f - 0.5f) * 0.4f;
  };
  tensor_map weights;
  const auto add = [&](const std::string& name, std::vector<long> shape, bool ones = false) {
    std::size_t count = 1;
    for (const long extent : shape) count *= static_cast<std::size_t>(extent);
    tensor_text t{std::move(shape), std::vector<float>(count, 1.0f)};
    if (!ones)
      for (float& v : t.values) v = draw();
    weights[name] = std::move(t);
  };
  add("model.embed_tokens.weight", {258, 16});
  add("model.norm.weight", {16}, true);
  const std::string layer = "model.layers.0.";
  add(layer + "input_layernorm.weight", {16}, true);
  add(layer + "post_attention_layernorm.weight", {16}, true);
  add(layer + "self_attn.q_proj.weight", {16, 16});
  add(layer + "self_attn.k_proj.weight", {8, 16});
  add(layer + "self_attn.v_proj.weight", {8, 16});
  add(layer + "self_attn.o_proj.weight", {16, 16});
  add(layer + "mlp.gate_proj.weight", {24, 16});
  add(layer + "mlp.up_proj.weight", {24, 16});
  add(layer + "mlp.down_proj.weight", {16, 24});
  return weights;
}

/// A safetensors file with any header, true or not.
inline std::string safetensors(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + header + data;
}
inline std::string safetensors(const tensor_map& tensors) {
  nlohmann::json header;
  std::string data;
  for (const auto& [name, t] : tensors) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(t.values.data()), 4 * t.values.size());
    header[name] = {{"dtype", "F32"}, {"shape", t.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors(header.dump(), data);
}

/// A byte-level tokenizer: every byte is a token, <s> stands before a text, </s> ends it.
inline nlohmann::json tiny_tokenizer() {
  const auto utf8 = [](int code) {
    if (code < 0x80) return std::string(1, static_cast<char>(code));
    return std::string{static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  };
  nlohmann::json vocabulary;
  int stand_in = 256;  // for bytes that are not printable
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    vocabulary[utf8(printable ? byte : stand_in++)] = byte;
  }
  vocabulary["<s>"] = 256;
  vocabulary["</s>"] = 257;
  const auto special = [](int id, const char* text) {
    return nlohmann::json{{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
                          {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const nlohmann::json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const auto piece = [](const char* kind, const char* id) { return nlohmann::json{{kind, {{"id", id}, {"type_id", 0}}}}; };
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", {special(256, "<s>"), special(257, "</s>")}},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {piece("SpecialToken", "<s>"), piece("Sequence", "A")}},
            {"pair", {piece("SpecialToken", "<s>"), piece("Sequence", "A"), piece("Sequence", "B")}},
            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}}}}}},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocabulary},
            {"merges", nlohmann::json::array()}}}};
}

/// Writes the whole folder.
inline void write_tiny_model(const std::filesystem::path& folder, std::uint32_t seed = 1) {
  std::filesystem::create_directories(folder);
  write_text(folder / "config.json", tiny_config().dump(1));
  write_text(folder / "tokenizer.json", tiny_tokenizer().dump());
  write_text(folder / "tokenizer_config.json",
             nlohmann::json{{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"tokenizer_class", "PreTrainedTokenizerFast"}}.dump());
  write_text(folder / "model.safetensors", safetensors(tiny_weights(seed)));
}

/// Pairs that differ from line to line.
inline std::string tiny_pairs(int count, int first = 0) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    std::string prompt = std::to_string(i), chosen = " yes ", rejected = " no ";  // appended to: g++ 12 warns wrongly of operator+
    prompt.insert(prompt.begin(), 'Q');
    prompt.push_back(':');
    chosen.append(static_cast<std::size_t>(i % 5), 'a');
    rejected.append(static_cast<std::size_t>(i % 3), 'z');
    text += nlohmann::json{{"prompt", prompt}, {"chosen", chosen}, {"rejected", rejected}}.dump();
    text += '\n';
  }
  return text;
}

}  // namespace tilt::test
