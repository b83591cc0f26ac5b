// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <tilt/io/pattern.hpp>
#include <tilt/io/unicode.hpp>
#include <variant>

namespace tilt::detail {

/// The "pattern" of a tokenizer.json: a literal String or a Regex.
inline pattern pattern_of(const nlohmann::json& json) {
  if (json.contains("String")) return pattern::literal(json["String"].get<std::string>());
  return pattern(json.at("Regex").get<std::string>());
}

/// What a tokenizer does to a text before anything else: the "normalizer" of a tokenizer.json.
class normalizer {
 public:
  normalizer() = default;
  explicit normalizer(const nlohmann::json& json) { add(json); }

  std::string operator()(std::string text) const {
    for (const step& s : steps_) text = std::visit([&](const auto& what) { return apply(what, std::move(text)); }, s);
    return text;
  }

 private:
  struct prepend {
    std::string what;
  };
  struct replace {
    pattern what;
    std::string by;
  };
  struct unicode_form {
    int options;  // of utf8proc
  };
  struct lowercase {};
  struct strip_accents {};
  struct strip {
    bool left, right;
  };
  using step = std::variant<prepend, replace, unicode_form, lowercase, strip_accents, strip>;

  void add(const nlohmann::json& json) {
    if (json.is_null()) return;
    const std::string type = json.at("type");
    constexpr int stable = UTF8PROC_STABLE;
    if (type == "Sequence") {
      for (const auto& inner : json.at("normalizers")) add(inner);
    } else if (type == "Prepend") {
      steps_.push_back(prepend{json.at("prepend")});
    } else if (type == "Replace") {
      steps_.push_back(replace{pattern_of(json.at("pattern")), json.at("content")});
    } else if (type == "NFC") {
      steps_.push_back(unicode_form{stable | UTF8PROC_COMPOSE});
    } else if (type == "NFD") {
      steps_.push_back(unicode_form{stable | UTF8PROC_DECOMPOSE});
    } else if (type == "NFKC") {
      steps_.push_back(unicode_form{stable | UTF8PROC_COMPOSE | UTF8PROC_COMPAT});
    } else if (type == "NFKD") {
      steps_.push_back(unicode_form{stable | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT});
    } else if (type == "Lowercase") {
      steps_.push_back(lowercase{});
    } else if (type == "StripAccents") {
      steps_.push_back(strip_accents{});
    } else if (type == "Strip") {
      steps_.push_back(strip{json.value("strip_left", true), json.value("strip_right", true)});
    } else {
      throw input_error("the normalizer '" + type + "' is not supported; Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents and Strip are");
    }
  }

  static std::string apply(const prepend& p, std::string text) { return text.empty() ? text : p.what + text; }
  static std::string apply(const replace& r, const std::string& text) { return r.what.replaced(text, r.by); }
  static std::string apply(const unicode_form& form, const std::string& text) { return normalized_form(text, form.options); }
  static std::string apply(const lowercase&, const std::string& text) { return lowercased(text); }
  static std::string apply(const strip_accents&, const std::string& text) { return without_accents(text); }
  static std::string apply(const strip& s, const std::string& text) {
    std::string_view rest = text;
    while (s.left && !rest.empty() && is_white_space(first_character(rest))) rest.remove_prefix(utf8_length(rest));
    while (s.right && !rest.empty() && is_white_space(last_character(rest))) rest.remove_suffix(last_length(rest));
    return std::string(rest);
  }

  std::vector<step> steps_;
};

}  // namespace tilt::detail
