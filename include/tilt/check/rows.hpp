// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <tilt/check/words.hpp>
#include <tilt/io/examples.hpp>
#include <vector>

namespace tilt {

/// One answer as the checks see it.
struct checked_answer {
  std::string name;  ///< "chosen", "rejected", "completion", "response 2"
  std::string text;
  std::vector<std::uint64_t> words;
};

/// An example as the checks see it: one text for the prompt, one for each answer (the best first), whatever its shape. Of conversations,
/// the prompt is all messages before the answers, each behind its role; an answer is the content of its messages.
struct checked_row {
  const example* source = nullptr;
  std::string prompt;
  std::vector<checked_answer> answers;
  std::vector<std::uint64_t> prompt_words;

  index line() const { return source->line; }
  bool is_preference() const { return source->kind == example_kind::pair || source->kind == example_kind::ranked; }
};

namespace detail {

/// What comes before the assistant's words in transcripts like those of HH.
inline constexpr std::string_view assistant_turn = "\n\nAssistant:";

inline std::string text_of_part(const example_part& part, bool with_roles) {
  if (!part.conversational) return part.text;
  std::string text;
  for (const message& m : part.messages) {
    if (!text.empty()) text += "\n\n";
    if (with_roles) text += m.role, text += ": ";
    text += m.content;
  }
  return text;
}

}  // namespace detail

/// The examples as the checks see them; those given as token ids are left out. A pair's prompt that was not given apart is the longest
/// common beginning, which may reach into the answers: where its last turn is an "\n\nAssistant:", what stands behind that goes back to
/// both. The rows refer to the examples, which must outlive them.
inline std::vector<checked_row> rows_of(std::span<const example> examples) {
  std::vector<checked_row> rows;
  for (const example& e : examples) {
    if (e.kind == example_kind::ids) continue;
    checked_row row;
    row.source = &e;
    row.prompt = detail::text_of_part(e.prompt, true);
    const auto add = [&](std::string name, const example_part& part) {
      row.answers.push_back({std::move(name), detail::text_of_part(part, false), {}});
    };
    switch (e.kind) {
      case example_kind::pair:
        add("chosen", e.chosen);
        add("rejected", e.rejected);
        break;
      case example_kind::ranked:
        for (std::size_t r = 0; r < e.responses.size(); ++r) {
          std::string name = "response ";
          name += std::to_string(r + 1);
          add(std::move(name), e.responses[r]);
        }
        break;
      case example_kind::text:
        add("text", e.completion);
        break;
      default:
        add("completion", e.completion);
    }
    if (e.kind == example_kind::pair && !e.prompt.conversational)
      if (const std::size_t turn = row.prompt.rfind(detail::assistant_turn);
          turn != std::string::npos && row.prompt.find("\n\nHuman:", turn) == std::string::npos) {
        const std::size_t cut = turn + detail::assistant_turn.size();
        for (checked_answer& a : row.answers) a.text.insert(0, row.prompt, cut);
        row.prompt.resize(cut);
      }
    row.prompt_words = words_of(row.prompt);
    for (checked_answer& a : row.answers) a.words = words_of(a.text);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tilt
