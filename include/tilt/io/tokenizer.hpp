// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <span>
#include <tilt/io/added_tokens.hpp>
#include <tilt/io/bpe.hpp>
#include <tilt/io/model_config.hpp>
#include <tilt/io/pre_tokenizer.hpp>
#include <tilt/io/token_decoder.hpp>

namespace tilt {

/// A tokenizer of the Hugging Face library, from its tokenizer.json: byte-level and SentencePiece-style byte-pair encoding. Const
/// members are safe from several threads. Throws input_error on a part that is not supported, by name.
class tokenizer {
 public:
  explicit tokenizer(const std::filesystem::path& file) : tokenizer(read_json(file), file.string()) {}
  tokenizer(const nlohmann::json& json, const std::string& path) try : model_(json.at("model")) {
    for (const auto& entry : json.value("added_tokens", nlohmann::json::array())) {
      detail::added_token t{entry.at("content"), entry.at("id"), entry.value("special", false), entry.value("normalized", false),
                            entry.value("lstrip", false), entry.value("rstrip", false), entry.value("single_word", false)};
      model_.add(t.content, t.id);
      if (t.special) special_.insert(t.id);
      added_.insert(t.id);
      (t.normalized ? after_ : before_).add(std::move(t));
    }
    const auto part = [&](const char* key) { return json.contains(key) ? json[key] : nlohmann::json(); };
    normalizer_ = detail::normalizer(part("normalizer"));
    pre_tokenizer_ = detail::pre_tokenizer(part("pre_tokenizer"));
    decoder_ = detail::token_decoder(part("decoder"));
    read_template(part("post_processor"));
  } catch (const nlohmann::json::exception&) {
    throw input_error(path + ": is not a tokenizer.json that this reader understands; write it again with the tokenizers library");
  } catch (const input_error& e) {
    throw input_error(path + ": " + e.what());
  }

  /// The text's tokens, with those that the post-processor puts around a single text if asked for. Ill-formed UTF-8 throws input_error.
  std::vector<token> encode(std::string_view text, bool add_special_tokens = true) const {
    if (const std::size_t fault = detail::utf8_fault(text); fault != text.size()) throw input_error("the text is not valid UTF-8 at byte " + std::to_string(fault) + "; convert it to UTF-8");
    std::vector<token> ids;
    if (add_special_tokens) ids = prefix_;
    bool first = true;
    before_.cut(
        text,
        [&](std::string_view raw) {
          const std::string normal = normalizer_(std::string(raw));
          after_.cut(
              normal,
              [&](std::string_view piece) {
                for (const std::string& word : pre_tokenizer_(std::string(piece), std::exchange(first, false))) model_.encode(word, ids);
              },
              [&](const detail::added_token& t) { ids.push_back(t.id), first = false; });
        },
        [&](const detail::added_token& t) { ids.push_back(t.id), first = false; });
    if (add_special_tokens) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
    return ids;
  }

  /// The text that tokens spell; ids outside the vocabulary throw input_error.
  std::string decode(std::span<const token> ids, bool skip_special_tokens = false) const {
    std::vector<std::string> texts;
    for (const token id : ids) {
      if (id < 0 || id >= model_.size()) throw input_error("the token " + std::to_string(id) + " is outside the tokenizer's vocabulary of " + std::to_string(model_.size()));
      if (!(skip_special_tokens && special_.contains(id))) texts.push_back(model_.text_of(id));
    }
    return decoder_(std::move(texts));
  }

  /// −1 where the vocabulary has no such token.
  token token_to_id(const std::string& text) const { return model_.id_of(text); }
  const std::string& id_to_token(token id) const { return model_.text_of(id); }
  index size() const { return model_.size(); }

 private:
  /// What stands before and after a single text.
  void read_template(const nlohmann::json& json) {
    if (json.is_null()) return;
    const std::string type = json.at("type");
    if (type == "Sequence") {
      for (const auto& inner : json.at("processors")) read_template(inner);
    } else if (type == "TemplateProcessing") {
      bool seen = false;
      for (const auto& item : json.at("single")) {
        if (item.contains("Sequence")) {
          seen = true;
          continue;
        }
        const std::string name = item.at("SpecialToken").at("id");
        for (const auto& id : json.at("special_tokens").at(name).at("ids")) (seen ? suffix_ : prefix_).push_back(id.get<token>());
      }
    } else if (type != "ByteLevel") {  // which moves offsets only
      throw input_error("the post_processor '" + type + "' is not supported; TemplateProcessing, ByteLevel and Sequence are");
    }
  }

  detail::bpe model_;
  detail::added_tokens before_, after_;  // matched in the text as given, and as normalised
  std::set<token> special_, added_;
  detail::normalizer normalizer_;
  detail::pre_tokenizer pre_tokenizer_;
  detail::token_decoder decoder_;
  std::vector<token> prefix_, suffix_;
};

}  // namespace tilt
