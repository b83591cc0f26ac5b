// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <unordered_map>

namespace tilt {

namespace detail {
inline std::size_t white_beginning(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t at = 0; at < text.size() && is_white_space(first_character(text.substr(at))); ++n) at += utf8_length(text.substr(at));
  return n;
}
}  // namespace detail

/// whitespace: a plain prompt that ends in a space (it belongs to the answer, whose first token has it), an answer that begins with more
/// than one character of white space, or ends in any; in conversations, whose template brings its own, an answer that begins with any. An
/// answer that begins without a space where most begin with one, or the other way, where the prompt's last character is the same.
inline void check_white_space(std::span<const checked_row> rows, std::vector<finding>& out) {
  // Of plain answers, by the character that their prompt ends in: how many there are, and how many begin with a space.
  std::unordered_map<char32_t, std::pair<std::size_t, std::size_t>> habit;
  const auto plain = [](const checked_row& row) {
    return row.source->kind != example_kind::text && !row.source->prompt.conversational && !row.prompt.empty();
  };
  const auto usable = [](const checked_answer& a) { return !a.words.empty(); };
  for (const checked_row& row : rows)
    if (plain(row))
      for (const checked_answer& a : row.answers)
        if (usable(a)) {
          auto& [all, spaced] = habit[detail::last_character(row.prompt)];
          ++all, spaced += a.text.starts_with(' ');
        }
  for (const checked_row& row : rows) {
    const auto tell = [&](std::string what) { out.push_back({"whitespace", row.line(), std::move(what)}); };
    if (plain(row) && (row.prompt.ends_with(' ') || row.prompt.ends_with('\t')))
      tell("the prompt ends in a space, which belongs to the answer");
    for (const checked_answer& a : row.answers) {
      if (!usable(a)) continue;
      const std::size_t before = detail::white_beginning(a.text);
      if (detail::is_white_space(detail::last_character(a.text))) {
        tell(a.name + std::string(" ends in white space"));
      } else if (before > 1 || (before == 1 && (a.text[0] != ' ' || row.source->prompt.conversational))) {
        tell(a.name + std::string(" begins with stray white space"));
      } else if (plain(row)) {
        const auto& [all, spaced] = habit[detail::last_character(row.prompt)];
        if (before == 1 && 10 * spaced < all) tell(a.name + std::string(" begins with a space, as few do"));
        if (before == 0 && 10 * (all - spaced) < all) tell(a.name + std::string(" begins without a space, as few do"));
      }
    }
  }
}

}  // namespace tilt
