// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <nlohmann/json.hpp>
#include <tilt/io/utf8.hpp>
#include <tilt/scalar/config.hpp>
#include <utf8proc.h>
#include <vector>

namespace tilt::detail {

/// A token that is cut out of a text before anything else looks at it: "<s>", "<|im_end|>".
struct added_token {
  std::string content;
  token id = 0;
  bool special = false, normalized = false, lstrip = false, rstrip = false, single_word = false;
};

/// Cuts a text at added tokens: the leftmost, the longest first.
class added_tokens {
 public:
  void add(added_token t) {
    if (t.content.empty()) return;
    std::vector<added_token>& same = by_first_byte_[static_cast<unsigned char>(t.content[0])];
    same.insert(std::upper_bound(same.begin(), same.end(), t, [](const auto& a, const auto& b) { return a.content.size() > b.content.size(); }), std::move(t));
  }

  /// Calls text(piece) and found(token) in the order of the text.
  template <class Text, class Found> void cut(std::string_view text, const Text& between, const Found& found) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const added_token* const t = match(text, at);
      if (t == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + t->content.size();
      if (t->lstrip)
        while (begin > done && is_space(last_character(text.substr(done, begin - done)))) begin -= last_length(text.substr(done, begin - done));
      if (t->rstrip)
        while (end < text.size() && is_space(code_point(text.substr(end), utf8_length(text.substr(end))))) end += utf8_length(text.substr(end));
      if (begin > done) between(text.substr(done, begin - done));
      found(*t);
      done = at = end;
    }
    if (done < text.size()) between(text.substr(done));
  }

 private:
  const added_token* match(std::string_view text, std::size_t at) const {
    for (const added_token& t : by_first_byte_[static_cast<unsigned char>(text[at])])
      if (text.compare(at, t.content.size(), t.content) == 0 && (!t.single_word || stands_alone(text, at, at + t.content.size()))) return &t;
    return nullptr;
  }
  static std::size_t last_length(std::string_view text) {
    std::size_t n = 1;
    while (n < text.size() && n < 4 && (static_cast<unsigned char>(text[text.size() - n]) & 0xC0) == 0x80) ++n;
    return n;
  }
  static char32_t last_character(std::string_view text) {
    const std::size_t n = last_length(text);
    return code_point(text.substr(text.size() - n), n);
  }
  static bool is_space(char32_t c) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return (c >= 9 && c <= 13) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
  }
  static bool is_word(char32_t c) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return c == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO);
  }
  static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
    return (begin == 0 || !is_word(last_character(text.substr(0, begin)))) && (end == text.size() || !is_word(code_point(text.substr(end), utf8_length(text.substr(end)))));
  }

  std::vector<added_token> by_first_byte_[256];
};

}  // namespace tilt::detail
