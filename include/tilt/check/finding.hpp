// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <tilt/scalar/config.hpp>
#include <vector>

namespace tilt {

enum class check_severity {
  error,    ///< the row teaches nothing, or something else than its label says
  warning,  ///< probably not meant so
  note      ///< worth knowing; often right
};
constexpr std::string_view name_of(check_severity s) {
  return s == check_severity::error ? "error" : s == check_severity::warning ? "warning" : "note";
}

/// One kind of fault that data can have.
struct check_description {
  std::string_view name, group;
  check_severity severity;
  std::string_view meaning;
};

/// One fault, at a line of the file (0: of the data as a whole).
struct finding {
  std::string_view check;
  index line = 0;
  std::string what;                ///< a clause: "chosen is empty"
  std::vector<index> others = {};  ///< further lines that it concerns
};

namespace detail {
// A number in a finding's clause.
inline std::string rounded_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}
}  // namespace detail

/// All checks, in the order of a report.
inline constexpr std::array check_table = {
    check_description{"unreadable", "format", check_severity::error, "the line is no example: broken JSON, no UTF-8, a column missing"},
    check_description{"equal", "clarity", check_severity::error, "chosen and rejected are the same text, so that nothing is preferred"},
    check_description{"alike", "clarity", check_severity::warning, "chosen and rejected are nearly the same text"},
    check_description{"margin", "clarity", check_severity::warning,
                      "the scores or the win probability hardly prefer the chosen answer, or prefer the rejected one"},
    check_description{"both_ways", "consistency", check_severity::error,
                      "the same two answers to the same prompt are preferred one way and the other"},
    check_description{"cycle", "consistency", check_severity::error,
                      "preferences among answers to a prompt run in a circle, which no reward can order"},
    check_description{"repeated_pair", "consistency", check_severity::warning, "the same pair stands there again, and counts twice"},
    check_description{"label_noise", "labels", check_severity::warning,
                      "the reward model is confident that the answer called worse is the better one"},
    check_description{"empty", "quality", check_severity::error, "an answer is empty or white space"},
    check_description{"truncated", "quality", check_severity::warning,
                      "an answer stops in the middle of a sentence, or ends without a full stop"},
    check_description{"too_long", "quality", check_severity::warning,
                      "prompt and answer have more tokens than --max-length, so that training cuts them"},
    check_description{"repetition", "quality", check_severity::warning, "an answer says the same words again and again"},
    check_description{"refusal", "quality", check_severity::note,
                      "an answer begins by refusing; right where it should, but a model learns it"},
    check_description{"encoding", "quality", check_severity::warning,
                      "characters were damaged on the way: U+FFFD, UTF-8 read as Latin-1, control characters, escapes left in"},
    check_description{"length_bias", "quality", check_severity::note,
                      "length alone tells the chosen answer, so that a model learns length"},
    check_description{"near_duplicate_prompt", "diversity", check_severity::note, "the prompt is nearly that of another line"},
    check_description{"repeated_answer", "diversity", check_severity::note, "the same answer stands under different prompts"},
    check_description{"no_prompt", "format", check_severity::error, "there is no prompt, or chosen and rejected answer different ones"},
    check_description{"roles", "format", check_severity::warning,
                      "the roles of a conversation do not alternate, or an answer is not the assistant's"},
    check_description{"system", "format", check_severity::note, "some rows have a system prompt and others have none"},
    check_description{"template", "format", check_severity::warning,
                      "marks of a chat template, or another speaker's turn, within an answer"},
    check_description{"whitespace", "format", check_severity::warning,
                      "stray white space where the prompt ends or an answer begins or ends"},
    check_description{"merge", "format", check_severity::note,
                      "the prompt's last token merges with the answer's first, and then counts as answer"}};

/// The check of that name; nullptr if there is none.
constexpr const check_description* find_check(std::string_view name) {
  for (const check_description& c : check_table)
    if (c.name == name) return &c;
  return nullptr;
}

}  // namespace tilt
