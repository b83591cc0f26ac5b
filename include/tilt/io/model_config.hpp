// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <tilt/io/file.hpp>
#include <tilt/io/utf8.hpp>
#include <tilt/model/config.hpp>

namespace tilt {

namespace detail {

inline constexpr index width_limit = 1 << 22, rows_limit = 1 << 26, layer_limit = 1 << 13;

/// Reads keys of a config.json and says which one is wrong.
class config_reader {
 public:
  config_reader(const nlohmann::json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  [[noreturn]] void refuse(const std::string& what) const { throw input_error(path_ + ": " + one_line(what)); }
  bool has(const char* key) const { return json_->contains(key) && !(*json_)[key].is_null(); }
  /// A size. The bound keeps the product of any two far from overflow.
  index count(const char* key, index most = width_limit) const {
    if (!has(key)) refuse(std::string("the key '") + key + "' is missing; is this a model's config.json?");
    const auto& value = (*json_)[key];
    if (!value.is_number_integer()) refuse(std::string("'") + key + "' must be a whole number");
    if (value < 1 || value > most) refuse(std::string("'") + key + "' is " + value.dump() + "; it must be positive and at most " + std::to_string(most));
    return value.get<index>();
  }
  index count_or(const char* key, index otherwise) const { return has(key) ? count(key) : otherwise; }
  double number(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!(*json_)[key].is_number()) refuse(std::string("'") + key + "' must be a number");
    return (*json_)[key].get<double>();
  }
  bool flag(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!(*json_)[key].is_boolean()) refuse(std::string("'") + key + "' must be true or false");
    return (*json_)[key].get<bool>();
  }
  std::string text(const char* key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    if (!(*json_)[key].is_string()) refuse(std::string("'") + key + "' must be a string");
    return (*json_)[key].get<std::string>();
  }
  /// An id, or the first of a list of ids.
  token id(const char* key) const {
    if (!has(key)) return -1;
    const nlohmann::json& value = (*json_)[key].is_array() && !(*json_)[key].empty() ? (*json_)[key][0] : (*json_)[key];
    if (!value.is_number_integer() || value < -1 || value >= rows_limit) refuse(std::string("'") + key + "' must be a token's id");
    return value.get<token>();
  }
  bool given(const char* key) const { return json_->contains(key); }
  const nlohmann::json& operator[](const char* key) const { return (*json_)[key]; }
  config_reader inside(const char* key) const {
    if (!(*json_)[key].is_object()) refuse(std::string("'") + key + "' must be an object");
    return {(*json_)[key], path_ + ", " + key};
  }

 private:
  const nlohmann::json* json_;
  std::string path_;
};

inline void read_rope(const config_reader& r, model_config& c) {
  const auto check = [&c](const config_reader& from) {
    if (!(c.rope_theta > 0)) from.refuse("'rope_theta' must be positive");
    if (from.number("partial_rotary_factor", 1) != 1) from.refuse("'partial_rotary_factor' is not 1; rotating a part of a head is not supported");
  };
  c.rope_theta = r.number("rope_theta", 10000);
  check(r);
  const char* const key = r.has("rope_parameters") ? "rope_parameters" : r.has("rope_scaling") ? "rope_scaling" : nullptr;
  if (key == nullptr) return;
  const config_reader rope = r.inside(key);
  c.rope_theta = rope.number("rope_theta", c.rope_theta);
  check(rope);
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  if (type == "default") return;
  if (type != "llama3") rope.refuse("rope_type '" + type + "' is not supported; 'default' and 'llama3' are");
  c.rope = rope_kind::llama3;
  c.stretch = {rope.number("factor", 8), rope.number("low_freq_factor", 1), rope.number("high_freq_factor", 4), rope.number("original_max_position_embeddings", 8192)};
  if (!(c.stretch.factor >= 1) || !(c.stretch.low_freq_factor > 0) || !(c.stretch.high_freq_factor > c.stretch.low_freq_factor) || !(c.stretch.original_max_position_embeddings > 0))
    rope.refuse("the numbers of rope_type 'llama3' do not fit; it needs factor >= 1, 0 < low_freq_factor < high_freq_factor and original_max_position_embeddings > 0");
}

/// A class for sequence classification has a value head instead of the vocabulary's; it must have one label.
inline void read_heads(const config_reader& r, model_config& c) {
  if (!r.has("architectures") || !r["architectures"].is_array() || r["architectures"].empty() || !r["architectures"][0].is_string()) return;
  if (!r["architectures"][0].get<std::string>().ends_with("ForSequenceClassification")) return;
  index labels = r.count_or("num_labels", 2);  // transformers' default
  if (!r.has("num_labels") && r.has("id2label") && r["id2label"].is_object()) labels = static_cast<index>(r["id2label"].size());
  if (labels != 1) r.refuse("the classifier has " + std::to_string(labels) + " labels; a reward model has one");
  c.vocabulary_head = false;
  c.value_head = true;
}

}  // namespace detail

/// A decoder's config from Hugging Face's config.json, as transformers 4 (rope_theta, rope_scaling) or 5 (rope_parameters) write it.
/// Throws input_error on what is missing, wrong or not supported, by key.
inline model_config parse_model_config(const nlohmann::json& json, const std::string& path) {
  if (!json.is_object()) throw input_error(path + ": is not a JSON object; give a model's config.json");
  const detail::config_reader r(json, path);
  model_config c;
  const std::string type = r.text("model_type", "");
  if (type == "llama") c.type = architecture::llama;
  else if (type == "mistral") c.type = architecture::mistral;
  else if (type == "qwen2") c.type = architecture::qwen2;
  else if (type == "qwen3") c.type = architecture::qwen3;
  else if (type == "gpt2") c.type = architecture::gpt2;
  else r.refuse("model_type '" + type + "' is not supported; llama, mistral, qwen2, qwen3 and gpt2 are");
  for (const char* const key : {"quantization_config", "num_local_experts", "num_experts"})
    if (r.has(key)) r.refuse(std::string("'") + key + "' is not supported; give a dense model with floating-point weights");
  c.vocab_size = r.count("vocab_size", detail::rows_limit);
  c.initializer_range = r.number("initializer_range", 0.02);
  c.bos_token_id = r.id("bos_token_id");
  c.eos_token_id = r.id("eos_token_id");
  c.pad_token_id = r.id("pad_token_id");
  detail::read_heads(r, c);
  if (c.type == architecture::gpt2) {
    c.hidden_size = r.count("n_embd");
    c.intermediate_size = r.count_or("n_inner", 4 * c.hidden_size);
    c.num_hidden_layers = r.count("n_layer", detail::layer_limit);
    c.num_attention_heads = c.num_key_value_heads = r.count("n_head");
    if (c.hidden_size % c.num_attention_heads != 0) r.refuse("'n_embd' must be a multiple of 'n_head'");
    c.head_dim = c.hidden_size / c.num_attention_heads;
    c.max_position_embeddings = r.count("n_positions", detail::rows_limit);
    c.norm = norm_kind::layer;
    c.norm_epsilon = r.number("layer_norm_epsilon", 1e-5);
    c.feed_forward = feed_forward_kind::gelu_tanh;
    c.rope = rope_kind::none;
    c.learned_positions = c.attention_bias = c.output_bias = c.feed_forward_bias = true;
    c.tie_word_embeddings = r.flag("tie_word_embeddings", true);
    const std::string activation = r.text("activation_function", "gelu_new");
    if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") r.refuse("activation_function '" + activation + "' is not supported; 'gelu_new' is");
    if (r.flag("scale_attn_by_inverse_layer_idx", false) || !r.flag("scale_attn_weights", true)) r.refuse("scale_attn_by_inverse_layer_idx and unscaled attention are not supported");
    if (r.flag("add_cross_attention", false)) r.refuse("add_cross_attention is not supported; only decoders are");
  } else {
    c.hidden_size = r.count("hidden_size");
    c.intermediate_size = r.count("intermediate_size");
    c.num_hidden_layers = r.count("num_hidden_layers", detail::layer_limit);
    c.num_attention_heads = r.count("num_attention_heads");
    c.num_key_value_heads = r.count_or("num_key_value_heads", c.num_attention_heads);
    c.head_dim = r.count_or("head_dim", c.type == architecture::qwen3 ? 128 : c.hidden_size / c.num_attention_heads);
    c.max_position_embeddings = r.count("max_position_embeddings", detail::rows_limit);
    if (c.query_width() > detail::width_limit) r.refuse("'num_attention_heads' times 'head_dim' must be at most " + std::to_string(detail::width_limit));
    c.norm_epsilon = r.number("rms_norm_eps", 1e-6);
    c.attention_bias = c.type == architecture::qwen2 || r.flag("attention_bias", false);
    c.output_bias = c.type != architecture::qwen2 && r.flag("attention_bias", false);
    c.feed_forward_bias = c.type == architecture::llama && r.flag("mlp_bias", false);
    c.qk_norm = c.type == architecture::qwen3;
    c.tie_word_embeddings = r.flag("tie_word_embeddings", false);
    const std::string activation = r.text("hidden_act", "silu");
    if (activation != "silu" && activation != "swish") r.refuse("hidden_act '" + activation + "' is not supported; 'silu' is");
    detail::read_rope(r, c);
    bool windows = c.type == architecture::mistral ? r.has("sliding_window") || !r.given("sliding_window") : c.type != architecture::llama && r.flag("use_sliding_window", false);
    if (r.has("layer_types") && r["layer_types"].is_array())
      for (const auto& layer : r["layer_types"]) windows = windows || layer != "full_attention";
    if (windows && (r.has("sliding_window") ? r.count("sliding_window", detail::rows_limit) : 4096) < c.max_position_embeddings)  // 4096 is transformers' default
      r.refuse("'sliding_window' is shorter than max_position_embeddings; sliding windows are not supported, set max_position_embeddings to the window to stay within it");
  }
  try {
    c.check();
  } catch (const input_error& e) {
    throw input_error(path + ": " + e.what());
  }
  return c;
}

/// Reads a JSON file; throws input_error with the position of the fault.
inline nlohmann::json read_json(const std::filesystem::path& path) {
  const mapped_file file(path);
  try {
    return nlohmann::json::parse(file.text());
  } catch (const nlohmann::json::exception& e) {
    const auto* const fault = dynamic_cast<const nlohmann::json::parse_error*>(&e);
    throw input_error(path.string() + ": is not valid JSON" + (fault != nullptr ? " (at byte " + std::to_string(fault->byte) + ")" : "") + "; repair or replace it");
  }
}

}  // namespace tilt
