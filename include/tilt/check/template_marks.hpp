// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>

namespace tilt {

/// What only chat templates write: marks of ChatML, Llama 2 and 3, Gemma, Zephyr, Phi, Mistral, GPT-2, Alpaca, DeepSeek.
inline constexpr std::array<std::string_view, 34> template_marks = {"<|im_start|>",
                                                                    "<|im_end|>",
                                                                    "<|im_sep|>",
                                                                    "[INST]",
                                                                    "[/INST]",
                                                                    "<<SYS>>",
                                                                    "<</SYS>>",
                                                                    "<|begin_of_text|>",
                                                                    "<|end_of_text|>",
                                                                    "<|start_header_id|>",
                                                                    "<|end_header_id|>",
                                                                    "<|eot_id|>",
                                                                    "<|eom_id|>",
                                                                    "<start_of_turn>",
                                                                    "<end_of_turn>",
                                                                    "<|user|>",
                                                                    "<|assistant|>",
                                                                    "<|system|>",
                                                                    "<|end|>",
                                                                    "<|endoftext|>",
                                                                    "<|end_of_turn|>",
                                                                    "[AVAILABLE_TOOLS]",
                                                                    "[TOOL_CALLS]",
                                                                    "<s>[",
                                                                    "</s>",
                                                                    "<bos>",
                                                                    "<eos>",
                                                                    "### Instruction:",
                                                                    "### Response:",
                                                                    "### Input:",
                                                                    "<｜begin▁of▁sentence｜>",
                                                                    "<｜end▁of▁sentence｜>",
                                                                    "<｜User｜>",
                                                                    "<｜Assistant｜>"};

/// Names by which transcripts begin a turn, at the beginning of a line.
inline constexpr std::array<std::string_view, 8> turn_names = {
    "Human:", "Assistant:", "User:", "USER:", "ASSISTANT:", "HUMAN:", "SYSTEM:", "System:"};

/// The first mark of a template in a text; empty if there is none. O(length · marks).
inline std::string_view template_mark_in(std::string_view text) {
  if (text.find_first_of("<[#") == std::string_view::npos) return {};
  for (const std::string_view mark : template_marks)
    if (text.find(mark) != std::string_view::npos) return mark;
  return {};
}

/// The first name of a turn at the beginning of a line of a text; empty if there is none.
inline std::string_view turn_name_in(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t start = std::min(text.find_first_not_of(" \t", at), text.size());
    for (const std::string_view name : turn_names)
      if (text.substr(start).starts_with(name)) return name;
    if ((at = text.find('\n', at)) == std::string_view::npos) break;
  }
  return {};
}

/// template: marks and names of turns in answers; marks in prompts that are the exception (on fewer than half of the rows), or within the
/// messages of a conversation, to which a template adds its own.
inline void check_template_marks(std::span<const checked_row> rows, std::vector<finding>& out) {
  std::size_t marked = 0;
  for (const checked_row& row : rows) marked += !template_mark_in(row.prompt).empty();
  for (const checked_row& row : rows) {
    const auto tell = [&](const std::string& where, std::string_view mark) {
      std::string what = where;
      what += " holds “";
      what += mark;
      what += "”";
      out.push_back({"template", row.line(), std::move(what)});
    };
    for (const checked_answer& a : row.answers) {
      if (row.source->kind == example_kind::text && !row.source->completion.conversational) continue;  // a text may be a rendered one
      if (const std::string_view mark = template_mark_in(a.text); !mark.empty())
        tell(a.name, mark);
      else if (const std::string_view name = turn_name_in(a.text); !name.empty())
        tell(a.name, name);
    }
    if (2 * marked < rows.size() || row.source->prompt.conversational)
      if (const std::string_view mark = template_mark_in(row.prompt); !mark.empty()) tell("the prompt", mark);
  }
}

}  // namespace tilt
