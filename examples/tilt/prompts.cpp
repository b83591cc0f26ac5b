// SPDX-License-Identifier: Apache-2.0
#include "prompts.hpp"

#include <tilt/io/examples.hpp>
#include <tilt/io/model_folder.hpp>

#include "text_io.hpp"

namespace tilt::program {
namespace {

prompt_text conversation(const model_folder& folder, const nlohmann::json& list) {
  std::vector<message> messages;
  for (const nlohmann::json& m : list) {
    if (!m.is_object() || !m.contains("role") || !m.contains("content") || !m["role"].is_string() || !m["content"].is_string())
      throw input_error("a message has no role and content; write {\"role\": \"user\", \"content\": \"a text\"}");
    messages.push_back({m["role"].get<std::string>(), m["content"].get<std::string>()});
  }
  const std::string text = folder.chat().prompt(messages);
  return {text, list, folder.tokenizer().encode(text, false), true};
}

prompt_text prompt_of_line(const model_folder& folder, const std::string& line, bool chat) {
  const nlohmann::json value = line.starts_with("{") ? nlohmann::json::parse(line, nullptr, false) : nlohmann::json();
  if (value.is_discarded()) throw input_error("is not valid JSON; repair or remove the line");
  if (!value.is_object()) return prompt_of(folder, line, chat);
  if (value.contains("prompt") && value["prompt"].is_string()) return prompt_of(folder, value["prompt"].get<std::string>(), chat);
  if (value.contains("prompt") && value["prompt"].is_array()) return conversation(folder, value["prompt"]);
  throw input_error("has no \"prompt\"; write {\"prompt\": \"a text\"} or {\"prompt\": [{\"role\": \"user\", \"content\": \"a text\"}]}");
}

}  // namespace

prompt_text prompt_of(const model_folder& folder, const std::string& text, bool chat) {
  if (!chat) return {text, text, folder.tokenizer().encode(text)};
  const message user[] = {{"user", text}};
  return {text, text, folder.tokenizer().encode(folder.chat().render(user, true), false), true};
}

std::vector<prompt_text> read_prompts(const model_folder& folder, const std::string& path, bool chat) {
  std::vector<prompt_text> prompts;
  line_reader lines(path);
  for (std::string line; lines.next(line);) {
    try {
      prompts.push_back(prompt_of_line(folder, line, chat));
    } catch (const input_error& e) { throw input_error(lines.where() + ": " + e.what()); }
  }
  if (prompts.empty()) throw input_error("there are no prompts; give --prompt, --data, or lines on standard input");
  return prompts;
}

}  // namespace tilt::program
