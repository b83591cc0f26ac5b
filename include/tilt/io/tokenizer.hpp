// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
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
    const auto part = [&](const char* key) { return json.contains(key) ? json[key] : nlohmann::json(); };
    normalizer_ = detail::normalizer(part("normalizer"));
    pre_tokenizer_ = detail::pre_tokenizer(part("pre_tokenizer"));
    decoder_ = detail::token_decoder(part("decoder"));
    for (const auto& entry : part("added_tokens")) {
      detail::added_token t{entry.at("content"), 0, entry.value("special", false), entry.value("normalized", false),
                            entry.value("lstrip", false), entry.value("rstrip", false), entry.value("single_word", false)};
      const std::string spelling = t.normalized ? normalizer_(t.content) : t.content;
      t.id = model_.add(spelling, entry.at("id"));
      added_[t.content] = t.id;
      if (t.special) special_.insert(t.id);
      (t.normalized ? after_ : before_).add(t, spelling);
    }
    read_post_processor(part("post_processor"));
  } catch (const nlohmann::json::exception&) {
    throw input_error(path + ": is not a tokenizer.json that this reader understands; write it again with the tokenizers library");
  } catch (const input_error& e) {
    throw input_error(path + ": " + detail::one_line(e.what()));
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

  /// The text that tokens spell. Ids that no token has spell nothing (a model's vocabulary may be padded).
  std::string decode(std::span<const token> ids, bool skip_special_tokens = false) const {
    std::vector<std::string> texts;
    for (const token id : ids)
      if (!model_.text_of(id).empty() && !(skip_special_tokens && special_.contains(id))) texts.push_back(model_.text_of(id));
    return decoder_(std::move(texts));
  }

  /// −1 where the vocabulary has no such token.
  token token_to_id(const std::string& text) const {
    const auto added = added_.find(text);
    return added == added_.end() ? model_.id_of(text) : added->second;
  }
  /// Empty where no token has this id.
  const std::string& id_to_token(token id) const { return model_.text_of(id); }
  bool is_special(token id) const { return special_.contains(id); }
  /// One more than the largest id.
  index size() const { return model_.size(); }

 private:
  /// What stands before and after a single text. Of several processors the later one stands outside.
  void read_post_processor(const nlohmann::json& json) {
    if (json.is_null()) return;
    const std::string type = json.at("type");
    if (type == "Sequence") {
      for (const auto& inner : json.at("processors")) read_post_processor(inner);
    } else if (type == "TemplateProcessing") {
      std::vector<token> before, after;
      int texts = 0;
      for (const auto& item : json.at("single")) {
        if (item.contains("Sequence")) {
          ++texts;
          continue;
        }
        const std::string name = item.at("SpecialToken").at("id");
        for (const auto& id : json.at("special_tokens").at(name).at("ids")) (texts > 0 ? after : before).push_back(id.get<token>());
      }
      if (texts != 1) throw input_error("the post_processor's template of a single text holds " + std::to_string(texts) + " texts; it must hold one");
      surround(before, after);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      surround({json.at("cls").at(1).get<token>()}, {json.at("sep").at(1).get<token>()});
    } else if (type != "ByteLevel") {  // which moves offsets only
      throw input_error("the post_processor '" + type + "' is not supported; TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and Sequence are");
    }
  }
  void surround(const std::vector<token>& before, const std::vector<token>& after) {
    prefix_.insert(prefix_.begin(), before.begin(), before.end());
    suffix_.insert(suffix_.end(), after.begin(), after.end());
  }

  detail::bpe model_;
  detail::added_tokens before_, after_;  // matched in the text as given, and as normalised
  std::map<std::string, token> added_;
  std::set<token> special_;
  detail::normalizer normalizer_;
  detail::pre_tokenizer pre_tokenizer_;
  detail::token_decoder decoder_;
  std::vector<token> prefix_, suffix_;
};

}  // namespace tilt
