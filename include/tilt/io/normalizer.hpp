// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <tilt/io/pattern.hpp>
#include <tilt/io/utf8.hpp>
#include <utf8proc.h>
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
  struct strip {
    bool left, right;
  };
  using step = std::variant<prepend, replace, unicode_form, lowercase, strip>;

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
    } else if (type == "Strip") {
      steps_.push_back(strip{json.value("strip_left", true), json.value("strip_right", true)});
    } else {
      throw input_error("the normalizer '" + type + "' is not supported; Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase and Strip are");
    }
  }

  static std::string apply(const prepend& p, std::string text) { return text.empty() ? text : p.what + text; }
  static std::string apply(const replace& r, std::string text) {
    std::string out;
    std::size_t done = 0;
    r.what.each_match(text, [&](std::size_t begin, std::size_t end) {
      out.append(text, done, begin - done).append(r.by);
      done = end;
    });
    return out.append(text, done);
  }
  static std::string apply(const unicode_form& form, std::string text) {
    utf8proc_uint8_t* mapped = nullptr;
    const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &mapped, static_cast<utf8proc_option_t>(form.options));
    if (size < 0) throw error("a text could not be normalised (" + std::string(utf8proc_errmsg(size)) + ")");
    const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(mapped, std::free);
    return {reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size)};
  }
  static std::string apply(const lowercase&, std::string text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = utf8_length(std::string_view(text).substr(at));
      append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point(std::string_view(text).substr(at), n)))));
      at += n;
    }
    return out;
  }
  static std::string apply(const strip& s, std::string text) {
    static const pattern left("^\\s+"), right("\\s+$");
    std::size_t begin = 0, end = text.size();
    if (s.left) left.each_match(text, [&](std::size_t from, std::size_t to) { if (from == 0) begin = to; });
    if (s.right) right.each_match(text, [&](std::size_t from, std::size_t to) { if (to == text.size()) end = from; });
    return begin < end ? text.substr(begin, end - begin) : std::string();
  }

  std::vector<step> steps_;
};

}  // namespace tilt::detail
