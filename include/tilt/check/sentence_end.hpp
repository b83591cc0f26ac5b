// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
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

/// "- ", "• ", "2. ", "3) ".
inline bool has_list_mark(std::string_view line) {
  if (line.starts_with("- ") || line.starts_with("* ") || line.starts_with("\xE2\x80\xA2")) return true;
  const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  return digits > 0 && (line.substr(digits).starts_with(". ") || line.substr(digits).starts_with(") "));
}

/// A line without an end of sentence, as items of lists and lines of poems are: short, or with a list's mark.
inline bool is_item(std::string_view line) {
  line = without_white_ends(line);
  return !line.empty() && !ends_sentence(last_character(line)) && last_character(line) != ':' &&
         (has_list_mark(line) || words_of(line).size() <= 12);
}

/// Whether the last line and the one before it are items.
inline bool ends_in_list(std::string_view text) {
  const std::size_t last = text.rfind('\n');
  if (last == std::string_view::npos || !is_item(text.substr(last))) return false;
  const std::string_view before = without_white_ends(text.substr(0, last));
  const std::size_t start = before.rfind('\n');
  return start != std::string_view::npos && is_item(before.substr(start));
}

/// Without white space at its ends and without last lines of hyphens, asterisks, underscores or equals signs.
inline std::string_view without_rules(std::string_view text) {
  for (;;) {
    text = without_white_ends(text);
    const std::string_view line = text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
    if (line.size() < 3 || std::string_view("-*_=").find(line[0]) == std::string_view::npos ||
        line.find_first_not_of(line[0]) != std::string_view::npos)
      return text;
    text.remove_suffix(line.size());
  }
}

/// English words behind which a sentence goes on; few end in one.
inline constexpr auto dangling_words = std::to_array<std::string_view>(
    {"a",     "an",   "the",     "my",       "your",   "our",   "their",   "every", "very",    "and",   "or",
     "nor",   "but",  "because", "although", "unless", "if",    "whether", "than",  "as",      "of",    "to",
     "from",  "into", "i",       "we",       "they",   "i'm",   "you're",  "we're", "they're", "it's",  "i'd",
     "you'd", "we'd", "they'd",  "i'll",     "you'll", "we'll", "they'll", "i've",  "you've",  "we've", "they've"});

/// Whether the last word is one of them, whatever quotation mark or bracket stands before it.
inline bool ends_dangling(std::string_view text) {
  const std::string word = plain_speech(text.substr(text.find_last_of(" \n\t") + 1));
  const std::size_t begin = std::min(word.find_first_of("abcdefghijklmnopqrstuvwxyz"), word.size());
  return std::find(dangling_words.begin(), dangling_words.end(), word.substr(begin)) != dangling_words.end();
}

/// Whether a text has neither a capital at its beginning nor an end of sentence anywhere: who writes so leaves the last one out as well.
inline bool is_unpunctuated(std::string_view text) {
  bool ends = false;
  each_character(text, [&](char32_t c, std::string_view) { ends = ends || ends_sentence(c); });
  return !ends && category_of(first_character(text)) == UTF8PROC_CATEGORY_LL;
}

}  // namespace detail

/// How a text ends.
enum class text_end {
  whole,         ///< as sentences do, or in a way that says nothing
  without_mark,  ///< in a word: either the full stop was left out, or what came behind was cut off
  in_mid_sentence
};

/// It is in mid-sentence behind a comma, a dash, a colon or another mark that something must follow, behind "because the" and the like, and in
/// a code block that is not closed; without a mark, behind any other letter. Not judged, as whole: fewer than `min_words` words, digits,
/// addresses, a list of items without full stops, a bracket or quotation that closes, texts without capital and full stop. A rule of thumb. O(length).
inline text_end end_of(std::string_view text, std::size_t min_words = 6) {
  text = detail::without_rules(text);
  std::size_t fences = 0;
  for (std::size_t at = text.find("```"); at != std::string_view::npos; at = text.find("```", at + 3)) ++fences;
  if (fences % 2 == 1) return text_end::in_mid_sentence;
  if (text.empty() || words_of(text).size() < min_words) return text_end::whole;
  const char32_t last = detail::last_character(text);
  if (detail::ends_sentence(last)) return text_end::whole;
  const bool contraction = last == 0x2019 && text.find("\xE2\x80\x98") == std::string_view::npos;  // ’ that closes no ‘
  if (detail::closes(last) && !contraction) return text_end::whole;
  const std::string_view word = text.substr(text.find_last_of(" \n\t") + 1);
  if (word.find("://") != std::string_view::npos || word.find('@') != std::string_view::npos || word.starts_with("www."))
    return text_end::whole;
  if (contraction || detail::ends_dangling(text)) return text_end::in_mid_sentence;
  if (detail::ends_in_list(text) || (last >= '0' && last <= '9')) return text_end::whole;
  constexpr std::u32string_view open = U",;:-(–—[{/&“‘«、，：；";
  if (open.find(last) != std::u32string_view::npos) return text_end::in_mid_sentence;
  return !detail::is_word_character(last) || detail::is_unpunctuated(text) ? text_end::whole : text_end::without_mark;
}

/// truncated: answers that end in mid-sentence or without a mark, and those that are another answer's beginning. O(length).
inline void check_sentence_ends(std::span<const checked_row> rows, std::size_t min_words, std::vector<finding>& out) {
  for (const checked_row& row : rows)
    for (const checked_answer& a : row.answers) {
      if (const text_end end = end_of(a.text, min_words); end != text_end::whole) {
        std::string what = a.name;
        what += end == text_end::in_mid_sentence ? " stops in mid-sentence: " : " ends without a full stop: ";
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
