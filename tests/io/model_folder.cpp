// SPDX-License-Identifier: Apache-2.0
// Model folders: weights in one file or in shards, what is wrong with them, and saving without a moment in which the folder is broken.
#include <csignal>
#include <sys/resource.h>
#include <tilt/data/pack.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/model/pass.hpp>
#include <tilt/tensor/reference.hpp>
#include <tilt/train/fingerprint.hpp>

#include "files.hpp"

namespace tilt::test {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;
using backend = reference_backend<float>;

json config() {
  return {{"model_type", "llama"},    {"vocab_size", 11},         {"hidden_size", 4},  {"intermediate_size", 6},          {"num_hidden_layers", 1},
          {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"eos_token_id", 3}, {"max_position_embeddings", 16}, {"tie_word_embeddings", false}};
}

/// A folder with random weights, all finite.
transformer<backend> write_model(backend& b, const fs::path& folder, const json& described = config()) {
  fs::create_directories(folder);
  put(folder / "config.json", described.dump());
  transformer<backend> model(b, parse_model_config(described, "config.json"));
  model.initialize(1);
  write_weights(model, folder);
  return model;
}
std::vector<float> weights_of(const transformer<backend>& model) { return {model.weights(), model.weights() + model.size()}; }

/// Tensors of a model as they go into a file, to be spoiled.
struct file_tensor {
  std::vector<index> shape;
  std::vector<float> values;
};
std::map<std::string, file_tensor> tensors_of(const transformer<backend>& model) {
  std::map<std::string, file_tensor> tensors;
  for (const parameter& p : model.parameters()) tensors[p.name] = {p.shape, model.get(p)};
  return tensors;
}
void write_tensors(const fs::path& path, const std::map<std::string, file_tensor>& tensors, element_type type = element_type::f32) {
  std::vector<tensor_to_write> list;
  std::vector<const file_tensor*> values;
  for (const auto& [name, t] : tensors) list.push_back({name, t.shape}), values.push_back(&t);
  write_safetensors(path, list, type, [&](std::size_t i) { return values[i]->values; });
}

/// Loading must be refused, and must leave the model as it is.
void refused(const fs::path& folder, std::initializer_list<const char*> words) {
  backend b;
  transformer<backend> model(b, parse_model_config(config(), "config.json"));
  model.initialize(7);
  const std::vector<float> before = weights_of(model);
  refuses([&] { load_weights(weight_files(folder), model); }, words);
  CHECK(weights_of(model) == before);
}

}  // namespace

TEST_CASE("weights come back, from one file or from shards") {
  const auto folder = scratch_folder("io_weights");
  backend b;
  const auto model = write_model(b, folder);
  const model_folder read(folder);
  CHECK(weights_of(load_transformer(read, b)) == weights_of(model));

  auto first = tensors_of(model), second = first;
  json map;
  for (const auto& [name, t] : tensors_of(model)) {
    const bool early = name < "model.layers.0.n";
    (early ? second : first).erase(name);
    map[name] = early ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
  }
  REQUIRE((!first.empty() && !second.empty()));
  fs::remove(folder / "model.safetensors");
  write_tensors(folder / "model-00001-of-00002.safetensors", first);
  write_tensors(folder / "model-00002-of-00002.safetensors", second);
  const fs::path list = folder / "model.safetensors.index.json";
  put(list, json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  CHECK(weights_of(load_transformer(read, b)) == weights_of(model));

  auto twice = second;
  twice[first.begin()->first] = first.begin()->second;
  write_tensors(folder / "model-00002-of-00002.safetensors", twice);
  refused(folder, {"model-00002-of-00002.safetensors: has the tensor '", "', which ", "model-00001-of-00002.safetensors has too; "});
  write_tensors(folder / "model-00002-of-00002.safetensors", second);

  const auto with = [&](const json& index_file, std::initializer_list<const char*> words) {
    put(list, index_file.dump());
    refused(folder, words);
  };
  json spoiled = map;
  spoiled["lm_head.weight"] = "model-00003-of-00002.safetensors";
  with({{"weight_map", spoiled}}, {"model-00003-of-00002.safetensors: cannot be opened", "; "});
  spoiled["lm_head.weight"] = "model-00002-of-00002.safetensors";
  with({{"weight_map", spoiled}}, {"index.json: says that 'lm_head.weight' is in model-00002-of-00002.safetensors, where it is not; "});
  for (const char* const outside : {"../model.safetensors", "/etc/passwd", "a/b.safetensors"}) {
    spoiled["lm_head.weight"] = outside;
    with({{"weight_map", spoiled}}, {"index.json: '", outside, "' leaves the folder; "});
  }
  for (const char* const folder_name : {"..", ".", ""}) {
    spoiled["lm_head.weight"] = folder_name;
    with({{"weight_map", spoiled}}, {"not a regular file; "});
  }
  spoiled["lm_head.weight"] = 3;
  with({{"weight_map", spoiled}}, {"index.json: the weight_map of 'lm_head.weight' is not a file's name; "});
  with({{"weights", map}}, {"index.json: has no weight_map; "});
  with({{"weight_map", {1}}}, {"index.json: has no weight_map; "});
  with({1}, {"index.json: has no weight_map; "});
  with({{"weight_map", json::object()}}, {"is missing"});
  put(list, "{");
  refused(folder, {"index.json: is not valid JSON"});
  fs::remove(list);
  refused(folder, {"io_weights: has neither model.safetensors nor model.safetensors.index.json; "});
}

TEST_CASE("weights that do not fit their config, or are no numbers, leave the model as it is") {
  const auto folder = scratch_folder("io_weights_bad");
  backend b;
  const auto good = tensors_of(write_model(b, folder));
  const auto with = [&](const auto& change, std::initializer_list<const char*> words) {
    auto tensors = good;
    change(tensors);
    write_tensors(folder / "model.safetensors", tensors);
    refused(folder, words);
  };
  using tensors = std::map<std::string, file_tensor>;
  with([](tensors& t) { t.erase("model.norm.weight"); }, {"io_weights_bad: the tensor 'model.norm.weight' is missing; "});
  with([](tensors& t) { t.erase("lm_head.weight"); }, {"'lm_head.weight' is missing; "});
  with([](tensors& t) { t["model.norm.weight"] = {{5}, std::vector<float>(5)}; }, {"'model.norm.weight' has shape [5] where config.json asks for [4]; "});
  with([](tensors& t) { t["model.layers.0.mlp.up_proj.weight"].shape = {4, 6}; }, {"'model.layers.0.mlp.up_proj.weight' has shape [4, 6] where config.json asks for [6, 4]; "});
  with([](tensors& t) { t["model.norm.weight"].shape = {4, 1}; }, {"has shape [4, 1]"});
  with([](tensors& t) { t["model.norm.weight"] = {{}, {1}}; }, {"has shape []"});
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
    with([bad](tensors& t) { t["model.norm.weight"].values[3] = bad; }, {"'model.norm.weight' has a weight that is not finite (element 3); "});
  write_tensors(folder / "model.safetensors", good, element_type::bf16);
  transformer<backend> model(b, parse_model_config(config(), "config.json"));
  CHECK(load_weights(weight_files(folder), model).empty());

  const std::string whole = contents(folder / "model.safetensors");
  put(folder / "model.safetensors", whole.substr(0, whole.size() - 1));
  refused(folder, {"model.safetensors: ", "; "});

  auto extra = good;
  extra["visual.weight"] = {{1}, {1}};
  write_tensors(folder / "model.safetensors", extra);
  CHECK(load_weights(weight_files(folder), model) == std::vector<std::string>{"visual.weight"});
}

TEST_CASE("weights as whole numbers are refused, and a weight too large for the model's numbers is not finite") {
  const auto folder = scratch_folder("io_weights_type");
  backend b;
  const auto model = write_model(b, folder);
  json header;
  std::string data;
  for (const auto& [name, t] : tensors_of(model)) {
    const std::size_t begin = data.size();
    const bool norm = name == "model.norm.weight";
    if (norm) data += bytes_of(std::vector<double>{1, 2, 3, 1e39});
    else data += bytes_of(t.values);
    header[name] = {{"dtype", norm ? "F64" : "F32"}, {"shape", t.shape}, {"data_offsets", {begin, data.size()}}};
  }
  put(folder / "model.safetensors", safetensors_text(header.dump(), data));
  refused(folder, {"'model.norm.weight' has a weight that is not finite (element 3)"});
  header["model.norm.weight"]["dtype"] = "I64";
  put(folder / "model.safetensors", safetensors_text(header.dump(), data));
  refused(folder, {"'model.norm.weight' has dtype I64; convert it"});
}

TEST_CASE("GPT-2's weights are found with and without their prefix, and turned") {
  const json described{{"model_type", "gpt2"}, {"vocab_size", 11}, {"n_embd", 4}, {"n_layer", 1}, {"n_head", 2}, {"n_positions", 8}};
  const auto folder = scratch_folder("io_weights_gpt2");
  backend b;
  const auto model = write_model(b, folder, described);
  auto short_names = std::map<std::string, file_tensor>{};
  for (auto& [name, t] : tensors_of(model)) short_names[name.substr(std::string("transformer.").size())] = t;
  const auto file_values = safetensors_file(folder / "model.safetensors").find("transformer.h.0.attn.c_attn.weight")->values<float>();
  const auto& p = *std::find_if(model.parameters().begin(), model.parameters().end(), [](const parameter& q) { return q.name == "transformer.h.0.attn.c_attn.weight"; });
  CHECK(p.shape == std::vector<index>{4, 12});
  CHECK(file_values[1] == model.weights()[p.offset + 4]);  // row 0, column 1 of [in, out] is row 1, column 0 of [out, in]
  CHECK(weights_of(load_transformer(model_folder(folder), b)) == weights_of(model));
  write_tensors(folder / "model.safetensors", short_names);
  CHECK(weights_of(load_transformer(model_folder(folder), b)) == weights_of(model));
}

TEST_CASE("a model that is read alone is its files, where these hold its numbers in its layout") {
  const auto folder = scratch_folder("io_weights_mapped");
  backend b;
  const auto model = write_model(b, folder);
  const auto same_tensors = [](const auto& mapped, const auto& loaded) {
    for (const parameter& p : mapped.parameters()) {
      const auto q = std::find_if(loaded.parameters().begin(), loaded.parameters().end(), [&p](const parameter& r) { return r.name == p.name; });
      CHECK(mapped.get(p) == loaded.get(*q));
    }
  };
  const auto check = [&](bool in_place) {
    const model_folder read(folder);
    auto mapped = map_transformer(read, b);
    const auto loaded = load_transformer(read, b);
    CHECK(mapped.read_only() == in_place);
    same_tensors(mapped, loaded);
    CHECK(tilt::detail::hash_of(mapped) == tilt::detail::hash_of(loaded));
    CHECK(weights_of(mapped.clone()) == weights_of(loaded));
    CHECK_FALSE(mapped.clone().read_only());
    pass<backend> by_mapped(mapped, pass_kind::inference);
    auto copy = mapped.clone();
    pass<backend> by_copy(copy, pass_kind::inference);
    tree_packs packs(64);
    packs.add(text_sequence(std::vector<token>{1, 2, 5, 7, 3}, 1));
    by_mapped.forward(packs[0]);
    by_copy.forward(packs[0]);
    CHECK(std::vector<float>(by_mapped.logps().begin(), by_mapped.logps().end()) == std::vector<float>(by_copy.logps().begin(), by_copy.logps().end()));
    if (!in_place) return;
    CHECK_THROWS_AS(mapped.weights(), error);
    CHECK_THROWS_AS(pass<backend>(mapped, pass_kind::training), error);
    const auto moved = std::move(mapped);  // the files outlive what they were opened by
    same_tensors(moved, loaded);
  };
  check(true);
  write_tensors(folder / "model.safetensors", tensors_of(model));  // in another order
  check(true);
  write_tensors(folder / "model.safetensors", tensors_of(model), element_type::bf16);
  check(false);
  write_tensors(folder / "model.safetensors", tensors_of(model), element_type::f64);
  check(false);
  write_tensors(folder / "model.safetensors", tensors_of(model));
  std::string text = contents(folder / "model.safetensors");
  std::uint64_t length;
  std::memcpy(&length, text.data(), 8);
  text.insert(static_cast<std::size_t>(8 + length), 1, ' ');  // a header that leaves the numbers at an odd address
  ++length;
  std::memcpy(text.data(), &length, 8);
  put(folder / "model.safetensors", text);
  check(false);
  auto spoiled = tensors_of(model);
  spoiled.begin()->second.values[2] = std::nanf("");
  write_tensors(folder / "model.safetensors", spoiled);
  refuses([&] { map_transformer(model_folder(folder), b); }, {"has a weight that is not finite (element 2); "});
}

TEST_CASE("a config that asks for more memory than there is fails on the shapes of the weights") {
  const auto folder = scratch_folder("io_weights_large");
  backend b;
  write_model(b, folder);
  json large = config();
  large["vocab_size"] = 1 << 25;
  large["hidden_size"] = 1 << 21;
  put(folder / "config.json", large.dump());
  refuses([&] { load_transformer(model_folder(folder), b); }, {"'model.embed_tokens.weight' has shape [11, 4] where config.json asks for [33554432, 2097152]; "});
}

TEST_CASE("a model folder's ends, tokenizer and chat template") {
  const auto folder = scratch_folder("io_folder");
  put(folder / "config.json", config().dump());
  CHECK(model_folder(folder).end_tokens().size() == 1);
  CHECK(model_folder(folder).end_tokens()[0] == 3);
  CHECK_FALSE(model_folder(folder).has_tokenizer());
  CHECK_FALSE(model_folder(folder).chat().known());
  refuses([&] { model_folder(folder).tokenizer(); }, {"tokenizer.json: cannot be opened"});
  put(folder / "generation_config.json", R"({"eos_token_id": [5, 3, 11, -1, "x"]})");
  const model_folder two(folder);
  CHECK(std::vector<token>(two.end_tokens().begin(), two.end_tokens().end()) == std::vector<token>{3, 5});
  put(folder / "tokenizer_config.json", R"({"eos_token": {"content": "</s>"}, "chat_template": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"})");
  CHECK(model_folder(folder).end_text() == "</s>");
  CHECK(model_folder(folder).chat().known());
  json named{{"chat_template", {{{"name", "tool_use"}, {"template", "{{ tools }}"}}, {{"name", "default"}, {"template", read_json(folder / "tokenizer_config.json")["chat_template"]}}}}};
  put(folder / "tokenizer_config.json", named.dump());
  CHECK(model_folder(folder).chat().known());
  named["chat_template"].erase(1);
  put(folder / "tokenizer_config.json", named.dump());
  CHECK_FALSE(model_folder(folder).chat().known());
  put(folder / "chat_template.jinja", "{{ messages }}");  // comes before the other
  CHECK_FALSE(model_folder(folder).chat().known());
  put(folder / "tokenizer_config.json", "[]");
  CHECK_NOTHROW(model_folder(folder));
  put(folder / "tokenizer_config.json", "{");
  refuses([&] { model_folder read(folder); }, {"tokenizer_config.json: is not valid JSON"});
  refuses([&] { model_folder read(folder / "none"); }, {"none: is not a folder, and nothing is downloaded; "});
  refuses([&] { model_folder read(folder / "config.json"); }, {"config.json: is not a folder, and nothing is downloaded; "});
  fs::remove(folder / "config.json");
  refuses([&] { model_folder read(folder); }, {"config.json: cannot be opened"});
}

TEST_CASE("a saved model is a whole folder in the place of the old one") {
  const auto place = scratch_folder("io_save");
  backend b;
  const auto model = write_model(b, place / "origin");
  put(place / "origin" / "tokenizer.json", "{}");
  put(place / "origin" / "chat_template.jinja", "{{ messages }}");
  put(place / "origin" / "README.md", "stays behind");
  const model_folder origin(place / "origin");
  const std::vector<std::string> files{"chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"};
  for (const char* const out : {"out", "out/", "more/levels/./out"}) {
    save_model(model, origin, place / out);
    CHECK(listing((place / out).lexically_normal()) == files);
    CHECK(weights_of(load_transformer(model_folder(place / out), b)) == weights_of(model));
  }
  CHECK(read_json(place / "out" / "config.json")["dtype"] == "float32");
  put(place / "out" / "model-00001-of-00002.safetensors", "old");
  save_model(model, origin, place / "out", element_type::bf16);
  CHECK(listing(place / "out") == files);
  CHECK(read_json(place / "out" / "config.json")["dtype"] == "bfloat16");
  CHECK(safetensors_file(place / "out" / "model.safetensors").tensors().begin()->second.type == element_type::bf16);
  json twofold = config();
  twofold["dtype"] = twofold["torch_dtype"] = "float16";
  put(place / "origin" / "config.json", twofold.dump());
  save_model(model, origin, place / "out", element_type::bf16);
  for (const char* const key : {"dtype", "torch_dtype"}) CHECK(read_json(place / "out" / "config.json")[key] == "bfloat16");
  save_model(model, origin, place / "origin");  // onto itself
  CHECK(weights_of(load_transformer(model_folder(place / "origin"), b)) == weights_of(model));
  CHECK(listing(place) == std::vector<std::string>{"more", "origin", "out"});
}

TEST_CASE("a model that cannot be saved leaves the old folder and nothing else") {
  const auto place = scratch_folder("io_save_fails");
  backend b;
  const auto model = write_model(b, place / "origin");
  const model_folder origin(place / "origin");
  put(place / "file", "text");
  refuses([&] { save_model(model, origin, place / "file"); }, {"file: is there and is not a folder; "});
  refuses([&] { save_model(model, origin, place / "file" / "out"); }, {"file/out: cannot be written (Not a directory); "});
  save_model(model, origin, place / "out");
  const std::string before = contents(place / "out" / "model.safetensors");
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const rlimit small{256, limit.rlim_max};
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string said = sentence([&] { save_model(model, origin, place / "out", element_type::f64); });
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  CHECK(said.find("cannot be written (File too large); ") != std::string::npos);
  CHECK(contents(place / "out" / "model.safetensors") == before);
  CHECK(listing(place) == std::vector<std::string>{"file", "origin", "out"});
  CHECK(contents(place / "file") == "text");
}

}  // namespace tilt::test
