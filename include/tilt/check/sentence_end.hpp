// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>

namespace tilt {

namespace detail {

constexpr bool ends_sentence(char32_t c) {
  return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 || c == 0xFF01 || c == 0xFF0E || c == 0xFF1F || c == 0x061F ||
         c == 0x06D4 || c == 0x0964 || c == 0x203D;
}
/// What may stand behind a sentence's end: quotation marks, brackets, marks of Markdown.
constexpr bool closes(char32_t c) {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == '*' || c == '_' || c == '`' || c == '>' || c == '|' ||
         c == 0x2019 || c == 0x201D || c == 0xBB || c == 0x300D || c == 0x300F || c == 0xFF09 || c == 0x3011;
}

inline std::string_view without_white_ends(std::string_view text) {
  while (!text.empty() && is_white_space(last_character(text))) text.remove_suffix(last_length(text));
  while (!text.empty() && is_white_space(first_character(text))) text.remove_prefix(utf8_length(text));
  return text;
}

/// The end of a text on one line, for a message.
inline std::string tail_of(std::string_view text, std::size_t characters = 30) {
  std::string_view rest = text;
  for (std::size_t n = 0; n < characters && !rest.empty(); ++n) rest.remove_suffix(last_length(rest));
  std::string tail = rest.empty() ? "" : "…";
  tail += one_line(std::string(text.substr(rest.size())));
  return tail;
}

/// A short line without an end of sentence, as items of lists and lines of poems are.
inline bool is_item(std::string_view line) {
  line = without_white_ends(line);
  return !line.empty() && !ends_sentence(last_character(line)) && last_character(line) != ':' && words_of(line).size() <= 12;
}

/// Whether the last line and the one before it are items.
inline bool ends_in_list(std::string_view text) {
  const std::size_t last = text.rfind('\n');
  if (last == std::string_view::npos || !is_item(text.substr(last))) return false;
  const std::string_view before = without_white_ends(text.substr(0, last));
  const std::size_t start = before.rfind('\n');
  return start != std::string_view::npos && is_item(before.substr(start));
}

}  // namespace detail

/// Whether a text stops in the middle of a sentence: it has at least `min_words` words, and ends (quotation marks and brackets aside) in a
/// letter, a comma, a dash or another mark that something must follow. Not so: digits, addresses, a list of short items, a bracket or
/// quotation that closes; a code block that is not closed is. A rule of thumb: who leaves full stops out is accused as well. O(length).
inline bool stops_in_mid_sentence(std::string_view text, std::size_t min_words = 6) {
  text = detail::without_white_ends(text);
  std::size_t fences = 0;
  for (std::size_t at = text.find("```"); at != std::string_view::npos; at = text.find("```", at + 3)) ++fences;
  if (fences % 2 == 1) return true;
  if (text.empty() || words_of(text).size() < min_words) return false;
  char32_t last = detail::last_character(text);
  if (detail::ends_sentence(last)) return false;
  const bool contraction = last == 0x2019 && text.find("\xE2\x80\x98") == std::string_view::npos;  // ’ that closes no ‘
  if (detail::closes(last) && !contraction) return false;
  const std::size_t space = text.find_last_of(" \n\t");
  const std::string_view word = text.substr(space == std::string_view::npos ? 0 : space + 1);
  if (word.find("://") != std::string_view::npos || word.find('@') != std::string_view::npos || word.starts_with("www.")) return false;
  if (detail::ends_in_list(text)) return false;
  if (last >= '0' && last <= '9') return false;
  if (contraction || detail::is_word_character(last)) return true;
  constexpr std::u32string_view open = U",;:-(–—[{/&“‘«、，：；";
  return open.find(last) != std::u32string_view::npos;
}

/// truncated: answers that stop in mid-sentence, and those that are another answer's beginning. O(length).
inline void check_sentence_ends(std::span<const checked_row> rows, std::size_t min_words, std::vector<finding>& out) {
  for (const checked_row& row : rows)
    for (const checked_answer& a : row.answers) {
      if (stops_in_mid_sentence(a.text, min_words)) {
        std::string what = a.name;
        what += " stops in mid-sentence: ";
        what += detail::tail_of(detail::without_white_ends(a.text));
        out.push_back({"truncated", row.line(), std::move(what)});
        continue;
      }
      if (a.words.size() < min_words) continue;
      const std::string_view own = detail::without_white_ends(a.text);
      for (const checked_answer& b : row.answers)
        if (const std::string_view other = detail::without_white_ends(b.text); other.size() > own.size() && other.starts_with(own)) {
          std::string what = a.name;
          what += " is the beginning of ";
          what += b.name;
          out.push_back({"truncated", row.line(), std::move(what)});
          break;
        }
    }
}

}  // namespace tilt
