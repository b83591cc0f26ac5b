// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <tilt/io/unicode.hpp>
#include <tilt/scalar/config.hpp>
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
  /// `spelling` is what stands in the text for it: its content, or what the normaliser makes of that.
  void add(const added_token& t, const std::string& spelling) {
    if (spelling.empty()) return;
    std::vector<entry>& same = by_first_byte_[static_cast<unsigned char>(spelling[0])];
    const auto longer = [](const entry& a, const entry& b) { return a.spelling.size() > b.spelling.size(); };
    entry e{spelling, t};
    same.insert(std::upper_bound(same.begin(), same.end(), e, longer), std::move(e));
  }

  /// Calls between(piece) and found(token) in the order of the text. A token that must stand alone and does not is left to the text.
  template <class Between, class Found> void cut(std::string_view text, const Between& between, const Found& found) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const entry* const e = longest(text.substr(at));
      if (e == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at = at + e->spelling.size();
      if (e->what.single_word && !stands_alone(text, begin, end)) continue;
      while (e->what.lstrip && begin > done && is_white_space(last_character(text.substr(done, begin - done)))) begin -= last_length(text.substr(done, begin - done));
      while (e->what.rstrip && end < text.size() && is_white_space(first_character(text.substr(end)))) end += utf8_length(text.substr(end));
      if (begin > done) between(text.substr(done, begin - done));
      found(e->what);
      done = at = end;
    }
    if (done < text.size()) between(text.substr(done));
  }

 private:
  struct entry {
    std::string spelling;
    added_token what;
  };

  const entry* longest(std::string_view text) const {
    for (const entry& e : by_first_byte_[static_cast<unsigned char>(text[0])])
      if (text.starts_with(e.spelling)) return &e;
    return nullptr;
  }
  static bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
    return (begin == 0 || !is_word_character(last_character(text.substr(0, begin)))) && (end == text.size() || !is_word_character(first_character(text.substr(end))));
  }

  std::vector<entry> by_first_byte_[256];
};

}  // namespace tilt::detail
