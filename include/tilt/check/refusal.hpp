// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <tilt/check/sentence_end.hpp>

namespace tilt {

/// What refusals begin with, in lower case, with straight apostrophes.
inline constexpr auto refusal_phrases = std::to_array<std::string_view>(
    {"i can't help",     "i cannot help",    "i can not help",    "can't assist",      "cannot assist",       "i can't do that",
     "i cannot do that", "i can't provide",  "i cannot provide",  "i can't answer",    "i cannot answer",     "i can't give",
     "i cannot give",    "i can't tell you", "i cannot tell you", "i can't recommend", "i cannot recommend",  "i can't support",
     "i can't condone",  "i cannot condone", "i can't engage",    "i cannot engage",   "i can't fulfill",     "i cannot fulfill",
     "i can't comply",   "i cannot comply",  "i can't write",     "i cannot write",    "i can't create",      "i cannot create",
     "i'm unable to",    "i am unable to",   "i'm not able to",   "i am not able to",  "i'm not comfortable", "i am not comfortable",
     "i refuse",         "i must decline",   "i'd rather not",    "as an ai",          "as a language model", "i'm sorry, but i can"});
/// Of what a speaker will not do, only this is a refusal: "I won't help", but not "I won't be long".
inline constexpr auto unwilling_phrases =
    std::to_array<std::string_view>({"i won't ", "i will not ", "i'm not going to ", "i am not going to "});
inline constexpr auto unwilling_verbs =
    std::to_array<std::string_view>({"answer", "assist", "be able to help", "discuss", "do ", "encourage", "give", "help", "participate",
                                     "provide", "recommend", "respond", "tell you", "write"});

/// All of them.
inline std::vector<std::string> usual_refusals() {
  std::vector<std::string> phrases(refusal_phrases.begin(), refusal_phrases.end());
  for (const std::string_view will : unwilling_phrases)
    for (const std::string_view verb : unwilling_verbs) phrases.emplace_back(will).append(verb);
  return phrases;
}

namespace detail {
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
