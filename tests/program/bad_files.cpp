// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "bad_input.hpp"

using namespace tilt::test;
using nlohmann::json;

TEST_CASE("weights") {
  const workplace place("bad_weights");
  const std::string good = contents(place.model / "model.safetensors");
  const auto with = [&](const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.model / "model.safetensors", text);
    refused(place, words);
  };
  tensor_map weights = tiny_weights();
  SECTION("the header's length is cut off") { with(good.substr(0, 5), {"model.safetensors", "8 bytes"}); }
  SECTION("the header is cut off") { with(good.substr(0, 100), {"model.safetensors", "claims a header"}); }
  SECTION("the numbers are cut off") { with(good.substr(0, good.size() - 100), {"model.safetensors", "places the tensor"}); }
  SECTION("the file is empty") { with("", {"model.safetensors", "8 bytes"}); }
  SECTION("the header claims to be longer than the file") {
    with(std::string(8, '\xff') + good.substr(8), {"model.safetensors", "claims a header"});
  }
  SECTION("the header is no JSON") { with(safetensors("{\"a\": ", ""), {"model.safetensors", "JSON"}); }
  SECTION("offsets lie beyond the file") {
    with(safetensors(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1600]}})", std::string(16, '\0')),
         {"model.safetensors", "'a'"});
  }
  SECTION("offsets run backwards") {
    with(safetensors(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}})", std::string(16, '\0')),
         {"model.safetensors", "'a'"});
  }
  SECTION("tensors overlap") {
    with(
        safetensors(
            R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]}})",
            std::string(24, '\0')),
        {"model.safetensors", "overlapping", "'b'"});
  }
  SECTION("a shape whose product overflows") {
    with(safetensors(R"({"a": {"dtype": "F32", "shape": [4, 4611686018427387904], "data_offsets": [0, 16]}})", std::string(16, '\0')),
         {"model.safetensors", "'a'"});
  }
  SECTION("an unknown number type") {
    with(safetensors(R"({"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}})", std::string(16, '\0')),
         {"model.safetensors", "F99"});
  }
  SECTION("a tensor is missing") {
    weights.erase("model.layers.0.mlp.up_proj.weight");
    with(safetensors(weights), {"model.layers.0.mlp.up_proj.weight", "missing"});
  }
  SECTION("a tensor has another shape") {
    weights["model.layers.0.self_attn.k_proj.weight"].shape = {16, 8};
    with(safetensors(weights), {"model.layers.0.self_attn.k_proj.weight", "[16, 8]", "[8, 16]"});
  }
  SECTION("a weight is NaN") {
    weights["model.norm.weight"].values[3] = std::numeric_limits<float>::quiet_NaN();
    with(safetensors(weights), {"model.norm.weight", "finite"});
  }
  SECTION("there are none") {
    fs::remove(place.model / "model.safetensors");
    refused(place, {"model.safetensors"});
  }
  SECTION("a tensor is in two shards") {
    fs::remove(place.model / "model.safetensors");
    tensor_map twice{{"model.norm.weight", weights["model.norm.weight"]}};
    json map;
    for (const auto& [name, tensor] : weights) map[name] = "a.safetensors";
    twice["more"] = twice["model.norm.weight"];
    map["more"] = "b.safetensors";
    write_text(place.model / "a.safetensors", safetensors(weights));
    write_text(place.model / "b.safetensors", safetensors(twice));
    write_text(place.model / "model.safetensors.index.json", json{{"weight_map", map}}.dump());
    refused(place, {"b.safetensors", "model.norm.weight", "a.safetensors"});
  }
}

TEST_CASE("model folders") {
  const workplace place("bad_folder");
  json config = tiny_config(), tokenizer = tiny_tokenizer();
  const auto with = [&](const char* name, const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.model / name, text);
    refused(place, words);
  };
  SECTION("config.json is no JSON") { with("config.json", "{", {"config.json", "JSON"}); }
  SECTION("config.json is empty") { with("config.json", "", {"config.json", "JSON"}); }
  SECTION("an architecture that is not there") {
    config["model_type"] = "bert";
    with("config.json", config.dump(), {"config.json", "bert", "llama"});
  }
  SECTION("a size that is none") {
    config["num_attention_heads"] = 0;
    with("config.json", config.dump(), {"config.json", "num_attention_heads"});
  }
  // Sizes that would take all memory, and more, are held against the weights before anything is allocated.
  SECTION("a hostile width") {
    config["hidden_size"] = 1 << 22;
    with("config.json", config.dump(), {"shape", "config.json", "4194304"});
  }
  SECTION("a hostile vocabulary") {
    config["vocab_size"] = 1 << 26;
    with("config.json", config.dump(), {"shape", "config.json", "67108864"});
  }
  SECTION("a hostile number of layers") {
    config["num_hidden_layers"] = 8192;
    with("config.json", config.dump(), {"model.layers.1.", "missing", "config.json"});
  }
  SECTION("sizes beyond all bounds") {
    config["intermediate_size"] = std::int64_t{1} << 62;
    with("config.json", config.dump(), {"config.json", "intermediate_size", "at most"});
  }
  SECTION("a hostile reference model") {
    write_tiny_model(place.folder / "other");
    config["hidden_size"] = 1 << 22;
    write_text(place.folder / "other" / "config.json", config.dump());
    refuses(place.run({"--reference-model", place.folder / "other"}), {"other", "shape", "4194304"});
    CHECK_FALSE(fs::exists(place.output / "model.safetensors"));
  }
  SECTION("tokenizer.json is no JSON") { with("tokenizer.json", "{\"model\": ", {"tokenizer.json"}); }
  SECTION("a tokenizer of another kind") {
    tokenizer["model"]["type"] = "Unigram";
    with("tokenizer.json", tokenizer.dump(), {"tokenizer.json", "Unigram"});
  }
  SECTION("the tokenizer is missing") {
    fs::remove(place.model / "tokenizer.json");
    refused(place, {"tokenizer.json"});
  }
}

TEST_CASE("examples") {
  const workplace place("bad_examples");
  const std::string good = tiny_pairs(2);
  const auto with = [&](const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.train, text);
    refused(place, words);
  };
  SECTION("a broken line") { with(good + "{\"prompt\": \"a\", \"chosen\"\n" + good, {"train.jsonl:3", "JSON"}); }
  SECTION("bytes that are no UTF-8") {
    with(good + "{\"prompt\": \"a\", \"chosen\": \"\xff\xfe\", \"rejected\": \"b\"}\n", {"train.jsonl:3", "UTF-8"});
  }
  SECTION("UTF-16") { with(std::string("\xff\xfe{\0\"\0", 6), {"train.jsonl", "UTF-8"}); }
  SECTION("a key is missing") { with(good + R"({"prompt": "a", "chosen": "b"})" + "\n", {"train.jsonl:3", "rejected"}); }
  SECTION("a number where a text should be") {
    with(good + R"({"prompt": "a", "chosen": 3, "rejected": "b"})" + "\n", {"train.jsonl:3", "chosen"});
  }
  SECTION("an empty completion") {
    with(good + R"({"prompt": "a", "chosen": "", "rejected": "b"})" + "\n", {"train.jsonl:3", "empty", "--drop-empty"});
  }
  SECTION("a list where an object should be") { with(good + "[1, 2]\n", {"train.jsonl:3"}); }
  SECTION("a table") {
    with("prompt,chosen,rejected\na,b,c\n", {"train.jsonl:1: looks like CSV; give JSONL, a line such as {\"prompt\": "});
    with("\n\"prompt\";\"chosen\"\n\"a: b\";\"c\"\n", {"train.jsonl:2: looks like CSV; give JSONL"});
    with("prompt\tchosen\trejected\r\na\tb\tc\r\n", {"train.jsonl:1: looks like TSV; give JSONL"});
    for (const char* command : {"score", "check"})
      refuses(tilt_program(place.folder, {command, "--model", place.model, "--data", place.train}), {"train.jsonl:1: looks like TSV; "});
    with("Once upon a time, there was a cat.\nOnce a dog ran.\n", {"train.jsonl:1: is not valid JSON"});
    with("prompt, chosen\n" + good, {"train.jsonl:1: is not valid JSON"});  // a line before the examples
  }
  SECTION("an empty file") { with("", {"train.jsonl", "empty"}); }
  SECTION("a file of empty lines") { with("\n\n", {"train.jsonl"}); }
  SECTION("a score that the loss reads is missing") {
    for (const char* loss : {"odpo", "lipo"})
      refused(place, {"train.jsonl:1: the loss ", loss, " reads the responses' scores, and one is missing"}, {"--loss-type", loss});
    json scored{{"prompt", "a"}, {"chosen", "b"}, {"rejected", "c"}, {"score_chosen", 2}, {"score_rejected", 1}};
    write_text(place.train, scored.dump() + "\n");
    for (const char* score : {"score_chosen", "score_rejected"}) scored.erase(score);
    write_text(place.folder / "eval.jsonl", "\n" + scored.dump() + "\n");
    refused(place, {"eval.jsonl:2: the loss odpo reads the responses' scores"},
            {"--loss-type", "odpo", "--eval", place.folder / "eval.jsonl"});
  }
  SECTION("every prompt fills max_length") {
    with(json{{"prompt", std::string(300, 'p')}, {"chosen", "a"}, {"rejected", "b"}}.dump() + "\n", {"train.jsonl", "max_length"});
  }
}

TEST_CASE("compressed examples") {
  workplace place("bad_gzip");
  place.leave_out("--train");
  const fs::path packed = place.folder / "train.jsonl.gz";
  SECTION("a file that is not compressed") {
    write_text(packed, "this is no gzip\n");
    refused(place, {"train.jsonl.gz"}, {"--train", packed});
  }
  SECTION("a file that is cut off") {
    write_text(packed, std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56", 12));
    refused(place, {"train.jsonl.gz"}, {"--train", packed});
  }
}
