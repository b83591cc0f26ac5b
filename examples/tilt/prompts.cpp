// SPDX-License-Identifier: Apache-2.0
#include "prompts.hpp"

#include <cstdio>
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

/// With all its tokens.
prompt_text whole_prompt(const model_folder& folder, const std::string& text, bool chat) {
  if (!chat) return {text, text, folder.tokenizer().encode(text)};
  const message user[] = {{"user", text}};
  return {text, text, folder.tokenizer().encode(folder.chat().render(user, true), false), true};
}

/// Whether it was longer.
bool cut(prompt_text& prompt, index longest) {
  const auto beyond = longest > 0 ? static_cast<std::ptrdiff_t>(prompt.ids.size()) - longest : 0;
  if (beyond <= 0) return false;
  prompt.ids.erase(prompt.ids.begin(), prompt.ids.begin() + beyond);
  return true;
}

prompt_text prompt_of_line(const model_folder& folder, const std::string& line, bool chat) {
  const nlohmann::json value = line.starts_with("{") ? nlohmann::json::parse(line, nullptr, false) : nlohmann::json();
  if (value.is_discarded()) throw input_error("is not valid JSON; repair or remove the line");
  if (!value.is_object()) return whole_prompt(folder, line, chat);
  if (value.contains("prompt") && value["prompt"].is_string()) return whole_prompt(folder, value["prompt"].get<std::string>(), chat);
  if (value.contains("prompt") && value["prompt"].is_array()) return conversation(folder, value["prompt"]);
  throw input_error("has no \"prompt\"; write {\"prompt\": \"a text\"} or {\"prompt\": [{\"role\": \"user\", \"content\": \"a text\"}]}");
}

}  // namespace

void prompt_options::add_max_prompt_length(settings& options) {
  options.count("max_prompt_length", max_prompt_length, "tokens of a prompt, which is cut at its beginning; 0: no limit");
}

prompt_text prompt_of(const model_folder& folder, const std::string& text, const prompt_options& how) {
  prompt_text prompt = whole_prompt(folder, text, how.chat);
  if (cut(prompt, how.max_prompt_length)) std::fprintf(stderr, "tilt: the prompt is cut to max_prompt_length\n");
  return prompt;
}

std::vector<prompt_text> read_prompts(const model_folder& folder, const std::string& path, const prompt_options& how) {
  std::vector<prompt_text> prompts;
  std::size_t shortened = 0;
  line_reader lines(path);
  for (std::string line; lines.next(line);) {
    try {
      prompts.push_back(prompt_of_line(folder, line, how.chat));
    } catch (const input_error& e) { throw input_error(lines.where() + ": " + e.what()); }
    if (cut(prompts.back(), how.max_prompt_length)) ++shortened;
  }
  if (prompts.empty()) throw input_error("there are no prompts; give --prompt, --data, or lines on standard input");
  if (shortened > 0)
    std::fprintf(stderr, "tilt: %s: %zu prompt%s cut to max_prompt_length\n", lines.name().c_str(), shortened, shortened > 1 ? "s" : "");
  return prompts;
}

}  // namespace tilt::program
