// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>

namespace tilt {

namespace detail {

/// Turns of a transcript "\n\nHuman: …\n\nAssistant:…", as roles; empty if it is none.
inline std::vector<std::string_view> transcript_roles(std::string_view text) {
  std::vector<std::string_view> roles;
  for (std::size_t at = text.find("\n\n"); at != std::string_view::npos; at = text.find("\n\n", at + 1)) {
    const std::string_view rest = text.substr(at + 2);
    if (rest.starts_with("Human:")) roles.push_back("Human");
    if (rest.starts_with("Assistant:")) roles.push_back("Assistant");
  }
  if (text.starts_with("Human:")) roles.insert(roles.begin(), "Human");
  return roles;
}

inline bool is_system(const message& m) { return m.role == "system" || m.role == "developer"; }

inline std::string role_fault(const std::vector<message>& prompt) {
  std::string_view before;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const std::string& role = prompt[i].role;
    if (is_system(prompt[i])) {
      if (i > 0) return "a system message stands behind others";
      continue;
    }
    if (role != "user" && role != "assistant" && role != "tool" && role != "function")
      return "the role “" + one_line(role) + "” is not known";
    if (before.empty() && role != "user") return "the conversation begins with the " + role;
    if (role == before && (role == "user" || role == "assistant")) return "two messages of the " + role + " follow one another";
    before = role;
  }
  if (before.empty()) return "no user says anything";
  return before == "assistant" ? "the prompt ends with the assistant" : "";
}

}  // namespace detail

/// no_prompt: pairs and rankings whose prompt is empty: none was given, or the two texts do not begin alike.
inline void check_prompt_is_there(std::span<const checked_row> rows, std::vector<finding>& out) {
  for (const checked_row& row : rows)
    if (row.source->kind != example_kind::text && collapsed(row.prompt).empty())
      out.push_back({"no_prompt", row.line(),
                     row.is_preference() ? "there is no prompt, or the answers are to different ones" : "there is no prompt"});
}

/// roles: in conversations, user and assistant must take turns from the user on, a system message may only be the first, the prompt ends
/// with the user (or a tool), answers begin with the assistant. In transcripts ("\n\nHuman:", "\n\nAssistant:") the two take turns and
/// the prompt ends with the assistant's.
inline void check_roles(std::span<const checked_row> rows, std::vector<finding>& out) {
  for (const checked_row& row : rows) {
    const example& e = *row.source;
    std::string fault;
    if (e.kind == example_kind::text && e.completion.conversational) {
      std::vector<message> without_last = e.completion.messages;
      if (!without_last.empty() && without_last.back().role == "assistant") without_last.pop_back();
      fault = detail::role_fault(without_last);
    } else if (e.prompt.conversational) {
      fault = detail::role_fault(e.prompt.messages);
      const auto answer = [&](const example_part& part) {
        if (fault.empty() && !part.messages.empty() && part.messages.front().role != "assistant")
          fault = "an answer begins with the " + detail::one_line(part.messages.front().role);
      };
      if (e.kind == example_kind::pair)
        answer(e.chosen), answer(e.rejected);
      else if (e.kind == example_kind::ranked)
        std::for_each(e.responses.begin(), e.responses.end(), answer);
      else
        answer(e.completion);
    } else if (const auto roles = detail::transcript_roles(row.prompt); !roles.empty()) {
      for (std::size_t i = 1; i < roles.size() && fault.empty(); ++i)
        if (roles[i] == roles[i - 1]) fault.append("two turns of the ").append(roles[i]).append(" follow one another");
      if (fault.empty() && roles.front() != "Human") fault = "the transcript begins with the Assistant";
      if (fault.empty() && roles.back() != "Assistant") fault = "the prompt ends with the Human's turn";
    }
    if (!fault.empty()) out.push_back({"roles", row.line(), std::move(fault)});
  }
}

/// system: of conversations, those in the minority as to whether they begin with a system message.
inline void check_system_prompts(std::span<const checked_row> rows, std::vector<finding>& out) {
  std::vector<const checked_row*> with, without;
  for (const checked_row& row : rows) {
    const example_part& start = row.source->kind == example_kind::text ? row.source->completion : row.source->prompt;
    if (!start.conversational || start.messages.empty()) continue;
    (detail::is_system(start.messages.front()) ? with : without).push_back(&row);
  }
  if (with.empty() || without.empty()) return;
  const bool few_have = with.size() <= without.size();
  for (const checked_row* row : few_have ? with : without) {
    std::string what = few_have ? "has a system prompt, as " : "has no system prompt, as ";
    what += std::to_string((few_have ? with : without).size());
    what += " of ";
    what += std::to_string(with.size() + without.size());
    what += " conversations";
    out.push_back({"system", row->line(), std::move(what)});
  }
}

}  // namespace tilt
