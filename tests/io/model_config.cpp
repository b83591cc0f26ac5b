// SPDX-License-Identifier: Apache-2.0
// config.json in the styles of transformers 4 and 5, and what is refused by its key.
#include <tilt/io/model_config.hpp>

#include "files.hpp"

namespace tilt::test {
namespace {

using json = nlohmann::json;

json llama() {
  return {{"model_type", "llama"},      {"vocab_size", 100},      {"hidden_size", 16},      {"intermediate_size", 24},       {"num_hidden_layers", 3},
          {"num_attention_heads", 4},   {"rms_norm_eps", 1e-5},   {"hidden_act", "silu"},   {"max_position_embeddings", 64}, {"bos_token_id", 1},
          {"eos_token_id", 2}};
}
json gpt2() { return {{"model_type", "gpt2"}, {"vocab_size", 100}, {"n_embd", 16}, {"n_layer", 2}, {"n_head", 4}, {"n_positions", 64}}; }
model_config read(const json& config) { return parse_model_config(config, "folder/config.json"); }
json with(json config, const char* key, const json& value) {
  config[key] = value;
  return config;
}
void refused(const json& config, std::initializer_list<const char*> words) {
  INFO(config.dump());
  refuses([&] { read(config); }, words);
  refuses([&] { read(config); }, {"folder/config.json"});
}

}  // namespace

TEST_CASE("a Llama's config, with what may be left out") {
  const model_config c = read(llama());
  CHECK(c.type == architecture::llama);
  CHECK(c.vocab_size == 100);
  CHECK(c.hidden_size == 16);
  CHECK(c.intermediate_size == 24);
  CHECK(c.num_hidden_layers == 3);
  CHECK(c.num_attention_heads == 4);
  CHECK(c.num_key_value_heads == 4);
  CHECK(c.head_dim == 4);
  CHECK(c.max_position_embeddings == 64);
  CHECK(c.norm_epsilon == 1e-5);
  CHECK(c.rope == rope_kind::standard);
  CHECK(c.rope_theta == 10000);
  CHECK_FALSE(c.tie_word_embeddings);
  CHECK_FALSE((c.attention_bias || c.output_bias || c.feed_forward_bias || c.qk_norm || c.learned_positions));
  CHECK(c.bos_token_id == 1);
  CHECK(c.eos_token_id == 2);
  json more = llama();
  more.update({{"num_key_value_heads", 2}, {"head_dim", 6}, {"tie_word_embeddings", true}, {"attention_bias", true}, {"mlp_bias", true}, {"eos_token_id", {7, 8}}, {"bos_token_id", nullptr}});
  const model_config d = read(more);
  CHECK(d.num_key_value_heads == 2);
  CHECK(d.head_dim == 6);
  CHECK((d.tie_word_embeddings && d.attention_bias && d.output_bias && d.feed_forward_bias));
  CHECK(d.eos_token_id == 7);
  CHECK(d.bos_token_id == -1);
}

TEST_CASE("rotary embedding as transformers 4 and 5 write it") {
  const json stretch{{"rope_type", "llama3"}, {"factor", 32.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 128}};
  json old = llama();
  old.update({{"rope_theta", 500000.0}, {"rope_scaling", stretch}});
  json recent = llama(), inner = stretch;
  inner["rope_theta"] = 500000.0;
  recent["rope_parameters"] = inner;
  for (const json& config : {old, recent}) {
    const model_config c = read(config);
    CHECK(c.rope == rope_kind::llama3);
    CHECK(c.rope_theta == 500000);
    CHECK(c.stretch.factor == 32);
    CHECK(c.stretch.original_max_position_embeddings == 128);
  }
  CHECK(read(with(llama(), "rope_theta", 5000)).rope_theta == 5000);
  CHECK(read(with(llama(), "rope_scaling", nullptr)).rope == rope_kind::standard);
  const model_config c = read(with(llama(), "rope_parameters", {{"rope_theta", 123.0}, {"rope_type", "default"}}));
  CHECK(c.rope == rope_kind::standard);
  CHECK(c.rope_theta == 123);
  refused(with(llama(), "rope_scaling", {{"type", "linear"}, {"factor", 2.0}}), {"rope_scaling", "'linear'", "'llama3'"});
  refused(with(llama(), "rope_parameters", {{"rope_type", "yarn"}}), {"rope_parameters", "'yarn'"});
  refused(with(llama(), "rope_scaling", 3), {"'rope_scaling' must be an object"});
  refused(with(llama(), "rope_theta", "much"), {"'rope_theta' must be a number"});
  refused(with(llama(), "rope_theta", 0), {"'rope_theta' must be positive"});
  refused(with(llama(), "partial_rotary_factor", 0.5), {"'partial_rotary_factor'"});
  refused(with(llama(), "rope_scaling", {{"rope_type", "llama3"}, {"low_freq_factor", 4.0}, {"high_freq_factor", 4.0}}), {"'llama3'", "low_freq_factor < high_freq_factor"});
}

TEST_CASE("the other architectures") {
  json config = with(llama(), "model_type", "qwen2");
  model_config c = read(config);
  CHECK(c.type == architecture::qwen2);
  CHECK((c.attention_bias && !c.output_bias));
  c = read(with(llama(), "model_type", "qwen3"));
  CHECK((c.qk_norm && !c.attention_bias));
  CHECK(c.head_dim == 128);
  c = read(with(llama(), "model_type", "mistral"));
  CHECK(c.type == architecture::mistral);
  c = read(gpt2());
  CHECK((c.attention_bias && c.output_bias && c.feed_forward_bias && c.learned_positions && c.tie_word_embeddings));
  CHECK(c.norm == norm_kind::layer);
  CHECK(c.feed_forward == feed_forward_kind::gelu_tanh);
  CHECK(c.intermediate_size == 64);
  CHECK(c.head_dim == 4);
  CHECK(c.norm_epsilon == 1e-5);
  CHECK(read(with(gpt2(), "n_inner", 20)).intermediate_size == 20);
  CHECK(read(with(gpt2(), "n_inner", nullptr)).intermediate_size == 64);
  refused(with(gpt2(), "n_head", 5), {"'n_embd'", "'n_head'"});
  refused(with(gpt2(), "activation_function", "relu"), {"activation_function", "'relu'"});
  refused(with(gpt2(), "scale_attn_by_inverse_layer_idx", true), {"scale_attn_by_inverse_layer_idx"});
  refused(with(gpt2(), "add_cross_attention", true), {"add_cross_attention"});
}

TEST_CASE("sliding windows are refused where they would matter") {
  const json mistral = with(llama(), "model_type", "mistral"), qwen = with(llama(), "model_type", "qwen2");
  CHECK_NOTHROW(read(with(mistral, "sliding_window", 64)));
  CHECK_NOTHROW(read(with(mistral, "sliding_window", nullptr)));
  refused(with(mistral, "sliding_window", 63), {"'sliding_window'", "max_position_embeddings"});
  refused(with(mistral, "max_position_embeddings", 32768), {"'sliding_window'"});  // 4096 unless it says otherwise
  CHECK_NOTHROW(read(with(with(mistral, "max_position_embeddings", 32768), "sliding_window", nullptr)));
  CHECK_NOTHROW(read(with(qwen, "sliding_window", 8)));
  refused(with(with(qwen, "sliding_window", 8), "use_sliding_window", true), {"'sliding_window'"});
  CHECK_NOTHROW(read(with(with(qwen, "sliding_window", 8), "layer_types", {"full_attention", "full_attention", "full_attention"})));
  refused(with(with(qwen, "sliding_window", 8), "layer_types", {"full_attention", "sliding_attention", "full_attention"}), {"'sliding_window'"});
}

TEST_CASE("config.json: what is missing, wrong or not supported is named") {
  refused(json::array(), {"not a JSON object"});
  refused(with(llama(), "model_type", "bert"), {"'bert'", "llama, mistral, qwen2, qwen3 and gpt2"});
  refused(with(llama(), "model_type", 3), {"'model_type' must be a string"});
  for (const char* const key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"}) {
    json config = llama();
    config.erase(key);
    refused(config, {key, "missing"});
    for (const json& value : {json(0), json(-4), json(1LL << 40), json(18446744073709551615u)}) refused(with(llama(), key, value), {key, "must be positive and at most"});
    for (const json& value : {json("8"), json(8.5), json(true), json::array()}) refused(with(llama(), key, value), {key, "must be a whole number"});
  }
  refused(with(llama(), "num_key_value_heads", 3), {"num_key_value_heads", "multiple"});
  refused(with(llama(), "head_dim", 5), {"head_dim", "even"});
  refused(with(with(llama(), "head_dim", 1 << 22), "num_attention_heads", 4), {"'num_attention_heads' times 'head_dim'"});
  refused(with(llama(), "hidden_act", "gelu"), {"hidden_act", "'gelu'"});
  refused(with(llama(), "rms_norm_eps", 0), {"epsilon"});
  refused(with(llama(), "rms_norm_eps", "small"), {"'rms_norm_eps' must be a number"});
  refused(with(llama(), "tie_word_embeddings", 1), {"'tie_word_embeddings' must be true or false"});
  refused(with(llama(), "eos_token_id", "</s>"), {"'eos_token_id' must be a token's id"});
  refused(with(llama(), "eos_token_id", 99999999999), {"'eos_token_id' must be a token's id"});
  refused(with(llama(), "eos_token_id", json::array()), {"'eos_token_id' must be a token's id"});
  refused(with(llama(), "num_local_experts", 8), {"'num_local_experts'"});
  refused(with(llama(), "quantization_config", {{"bits", 4}}), {"'quantization_config'"});
}

TEST_CASE("a JSON file that is none") {
  const auto folder = scratch_folder("io_json");
  put(folder / "a.json", "{\"a\": 1,}");
  refuses([&] { read_json(folder / "a.json"); }, {"a.json: is not valid JSON (at byte 9); "});
  put(folder / "a.json", "");
  refuses([&] { read_json(folder / "a.json"); }, {"a.json: is not valid JSON"});
  put(folder / "a.json", "{\"a\": 1e999}");
  refuses([&] { read_json(folder / "a.json"); }, {"a.json: is not valid JSON"});
  refuses([&] { read_json(folder / "b.json"); }, {"b.json: cannot be opened"});
}

}  // namespace tilt::test
