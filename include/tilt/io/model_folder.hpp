// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <tilt/io/model_weights.hpp>
#include <tilt/io/tokenize.hpp>
#include <tilt/model/transformer.hpp>

namespace tilt {

/// A Hugging Face model folder: config.json, weights, and, where there are such files, tokenizer and chat template. The tokenizer is
/// read when first asked for.
class model_folder {
 public:
  explicit model_folder(std::filesystem::path path) : path_(std::move(path)) {
    if (!std::filesystem::is_directory(path_)) throw input_error(path_.string() + ": is not a folder, and nothing is downloaded; give the folder of a Hugging Face model");
    const nlohmann::json json = read_json(path_ / "config.json");
    config_ = parse_model_config(json, (path_ / "config.json").string());
    chat_tokens tokens;
    chat_ = chat_template("", {}, path_.string());
    if (std::filesystem::exists(path_ / "tokenizer_config.json")) {
      const nlohmann::json of_tokenizer = read_json(path_ / "tokenizer_config.json");
      const auto text = [&](const char* key) -> std::string {
        if (!of_tokenizer.is_object() || !of_tokenizer.contains(key)) return {};
        const auto& value = of_tokenizer[key].is_object() && of_tokenizer[key].contains("content") ? of_tokenizer[key]["content"] : of_tokenizer[key];
        return value.is_string() ? value.get<std::string>() : std::string();
      };
      end_ = text("eos_token");
      tokens = {text("bos_token"), end_};
      const auto template_of = [&](const std::string& jinja) { return chat_template(jinja, tokens, (path_ / "tokenizer_config.json").string()); };
      chat_ = template_of(text("chat_template"));
      if (of_tokenizer.is_object() && of_tokenizer.contains("chat_template"))
        for (const auto& named : of_tokenizer["chat_template"])  // a list of templates with names
          if (named.is_object() && named.value("name", nlohmann::json()) == "default" && named.value("template", nlohmann::json()).is_string())
            chat_ = template_of(named["template"].get<std::string>());
    }
    if (const auto file = path_ / "chat_template.jinja"; std::filesystem::exists(file)) chat_ = chat_template(std::string(mapped_file(file).text()), tokens, file.string());
    add_ends(json);
    if (std::filesystem::exists(path_ / "generation_config.json")) add_ends(read_json(path_ / "generation_config.json"));
  }

  const std::filesystem::path& path() const { return path_; }
  const model_config& config() const { return config_; }
  weight_files weights() const { return weight_files(path_); }
  const chat_template& chat() const { return chat_; }

  const tilt::tokenizer& tokenizer() const {
    if (!tokenizer_) tokenizer_.emplace(path_ / "tokenizer.json");
    return *tokenizer_;
  }
  bool has_tokenizer() const { return std::filesystem::exists(path_ / "tokenizer.json"); }

  /// The text that ends a response in training: tokenizer_config.json's eos_token, else the token of config.json's eos_token_id.
  std::string end_text() const {
    if (!end_.empty() || config_.eos_token_id < 0 || config_.eos_token_id >= tokenizer().size()) return end_;
    return tokenizer().id_to_token(config_.eos_token_id);
  }
  /// Tokens at which generation stops.
  std::span<const token> end_tokens() const { return end_tokens_; }

  /// For the functions that tokenise examples; valid as long as the folder.
  text_encoder encoder() const { return {&tokenizer(), &chat_, end_text()}; }

 private:
  /// The eos_token_id of a config: an id or a list of them.
  void add_ends(const nlohmann::json& config) {
    if (!config.is_object() || !config.contains("eos_token_id")) return;
    const auto& ids = config["eos_token_id"];
    for (const auto& id : ids.is_array() ? ids : nlohmann::json::array({ids})) {
      if (!id.is_number_integer() || id < 0 || id >= config_.vocab_size) continue;
      if (std::find(end_tokens_.begin(), end_tokens_.end(), id.get<token>()) == end_tokens_.end()) end_tokens_.push_back(id.get<token>());
    }
  }

  std::filesystem::path path_;
  model_config config_;
  chat_template chat_;
  std::string end_;
  std::vector<token> end_tokens_;
  mutable std::optional<tilt::tokenizer> tokenizer_;
};

/// A transformer with a folder's weights.
template <class B> transformer<B> load_transformer(const model_folder& folder, B& backend) {
  const weight_files files = folder.weights();
  check_weights(files, detail::parameter_table(folder.config()).parameters());  // before memory is asked for
  transformer<B> model(backend, folder.config());
  load_weights(files, model);
  return model;
}

/// The same to be read alone, as for scoring and generating or as a reference: where the files hold the backend's numbers in the model's
/// layout, the weights are the files themselves, mapped, of which nothing is copied and processes share one copy; the files must not change
/// meanwhile (a file that is replaced stays as it was). Otherwise (other numbers, GPT-2's transposed matrices, a device) they are loaded.
template <class B> transformer<B> map_transformer(const model_folder& folder, B& backend) {
  if constexpr (computes_in_host_memory<B>) {
    using scalar = typename B::scalar;
    const auto files = std::make_shared<const weight_files>(folder.weights());
    const detail::parameter_table table(folder.config());
    check_weights(*files, table.parameters());
    if (const auto places = places_of<scalar>(*files, table.parameters()); !places.empty()) {
      check_finite<scalar>(*files, table.parameters());
      return transformer<B>(backend, folder.config(), places, files);
    }
  }
  return load_transformer(folder, backend);
}

namespace detail {
/// What transformers needs to know of a reward model: its class, its one label, and the token that it passes over at the end of a batch's texts.
inline void describe_reward_model(nlohmann::ordered_json& json, const model_config& config) {
  const char* const family = config.type == architecture::llama ? "Llama" : config.type == architecture::mistral ? "Mistral" : config.type == architecture::qwen2 ? "Qwen2" : config.type == architecture::qwen3 ? "Qwen3" : "GPT2";
  json["architectures"] = {std::string(family) + "ForSequenceClassification"};
  json["num_labels"] = 1;
  json["id2label"] = {{"0", "LABEL_0"}};
  json["label2id"] = {{"LABEL_0", 0}};
  if (config.pad_token_id >= 0) json["pad_token_id"] = config.pad_token_id;
}
}  // namespace detail

/// The files of a model folder, one by one into an existing folder; each appears whole.
template <class B>
void write_model_files(const transformer<B>& model, const model_folder& origin, const std::filesystem::path& folder, element_type type = element_type::f32) {
  for (const char* const name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "chat_template.jinja", "vocab.json", "merges.txt", "added_tokens.json"})
    if (std::filesystem::exists(origin.path() / name)) write_file(folder / name, mapped_file(origin.path() / name).text());
  nlohmann::ordered_json config;
  const mapped_file source(origin.path() / "config.json");
  config = nlohmann::ordered_json::parse(source.text());
  const char* const dtype = type == element_type::bf16 ? "bfloat16" : type == element_type::f64 ? "float64" : "float32";
  const bool old_key = config.contains("torch_dtype");  // of transformers 4; a folder may have both
  if (old_key) config["torch_dtype"] = dtype;
  if (!old_key || config.contains("dtype")) config["dtype"] = dtype;
  if (!model.config().vocabulary_head) detail::describe_reward_model(config, model.config());
  write_weights(model, folder, type);
  write_file(folder / "config.json", config.dump(2) + "\n");
}

/// Writes a model folder that transformers loads: the weights, and everything but weights from the folder that the model came from.
/// The folder appears whole, under its name, once all is written; an existing one is replaced then. Throws input_error.
template <class B>
void save_model(const transformer<B>& model, const model_folder& origin, std::filesystem::path out, element_type type = element_type::f32) {
  namespace fs = std::filesystem;
  out = fs::absolute(out).lexically_normal();
  if (!out.has_filename()) out = out.parent_path();  // "folder/"
  const fs::path temporary = out.string() + ".tmp-" + std::to_string(::getpid());
  std::error_code ignored;
  try {
    if (fs::exists(out) && !fs::is_directory(out)) throw input_error(out.string() + ": is there and is not a folder; give another place");
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    write_model_files(model, origin, temporary, type);
    atomic_file::sync_folder(temporary);
    replace_folder(temporary, out);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, ignored);
    throw input_error(out.string() + ": cannot be written (" + e.code().message() + "); free space or give another place");
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace tilt
