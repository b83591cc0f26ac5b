// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <tilt/check/sentence_end.hpp>

namespace tilt {

/// What refusals begin with, in lower case, with straight apostrophes.
inline constexpr std::array<std::string_view, 45> refusal_phrases = {"i can't help",      "i cannot help",       "i can not help",
                                                                     "can't assist",      "cannot assist",       "i can't do that",
                                                                     "i cannot do that",  "i can't provide",     "i cannot provide",
                                                                     "i can't answer",    "i cannot answer",     "i can't give",
                                                                     "i cannot give",     "i can't tell you",    "i cannot tell you",
                                                                     "i can't recommend", "i cannot recommend",  "i can't support",
                                                                     "i can't condone",   "i cannot condone",    "i can't engage",
                                                                     "i cannot engage",   "i can't fulfill",     "i cannot fulfill",
                                                                     "i can't comply",    "i cannot comply",     "i can't write",
                                                                     "i cannot write",    "i can't create",      "i cannot create",
                                                                     "i'm unable to",     "i am unable to",      "i'm not able to",
                                                                     "i am not able to",  "i'm not comfortable", "i am not comfortable",
                                                                     "i won't",           "i will not",          "i refuse",
                                                                     "i must decline",    "i'd rather not",      "i'm not going to",
                                                                     "as an ai",          "as a language model", "i'm sorry, but i can"};

namespace detail {
/// Lower case, straight apostrophes, white space collapsed.
inline std::string plain_speech(std::string_view text) {
  std::string straight;
  each_character(text, [&](char32_t c, std::string_view bytes) {
    if (c == 0x2019 || c == 0x2018 || c == 0x60)
      straight += '\'';
    else
      straight += bytes;
  });
  return lowercased(collapsed(straight));
}
inline std::string_view first_characters(std::string_view text, std::size_t n) {
  std::size_t at = 0;
  for (; n > 0 && at < text.size(); --n) at += utf8_length(text.substr(at));
  return text.substr(0, at);
}
}  // namespace detail

/// The phrase by which an answer refuses within its first `window` characters; empty if there is none. Phrases are in lower case.
template <class Phrases> std::string_view refusal_in(std::string_view answer, const Phrases& phrases, std::size_t window = 120) {
  const std::string begin = detail::plain_speech(detail::first_characters(detail::without_white_ends(answer), window));
  for (const std::string_view phrase : phrases)
    if (!phrase.empty() && begin.find(phrase) != std::string::npos) return phrase;
  return {};
}

/// refusal: answers that refuse, by their phrases.
template <class Phrases> void check_refusals(std::span<const checked_row> rows, const Phrases& phrases, std::vector<finding>& out) {
  for (const checked_row& row : rows)
    for (const checked_answer& a : row.answers)
      if (const std::string_view phrase = refusal_in(a.text, phrases); !phrase.empty()) {
        std::string what = a.name;
        what += " refuses: “";
        what += phrase;
        what += "”";
        out.push_back({"refusal", row.line(), std::move(what)});
      }
}

}  // namespace tilt
