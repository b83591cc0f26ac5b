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

/// What chosen and rejected have in common at their beginning, as training on such pairs takes it.
prompt_text implicit_prompt(const model_folder& folder, const nlohmann::json& pair, bool chat) {
  const example_part prompt = detail::example_reader(pair, "the pair").read().prompt;
  if (prompt.text.empty() && prompt.messages.empty())
    throw input_error("has no \"prompt\", and chosen and rejected have no beginning in common; give it a \"prompt\"");
  if (!prompt.conversational) return whole_prompt(folder, prompt.text, chat);
  nlohmann::json list;
  for (const message& m : prompt.messages) list.push_back({{"role", m.role}, {"content", m.content}});
  return conversation(folder, list);
}

prompt_text prompt_of_line(const model_folder& folder, const std::string& line, bool chat) {
  const nlohmann::json value = line.starts_with("{") ? nlohmann::json::parse(line, nullptr, false) : nlohmann::json();
  if (value.is_discarded()) throw input_error("is not valid JSON; repair or remove the line");
  if (!value.is_object()) return whole_prompt(folder, line, chat);
  if (value.contains("prompt") && value["prompt"].is_string()) return whole_prompt(folder, value["prompt"].get<std::string>(), chat);
  if (value.contains("prompt") && value["prompt"].is_array()) return conversation(folder, value["prompt"]);
  const bool given = value.contains("prompt") && !value["prompt"].is_null();
  if (!given && value.contains("chosen") && value.contains("rejected")) return implicit_prompt(folder, value, chat);
  throw input_error("has no \"prompt\"; write {\"prompt\": \"a text\"} or {\"prompt\": [{\"role\": \"user\", \"content\": \"a text\"}]}");
}

}  // namespace

void prompt_options::add_max_prompt_length(settings& options) {
  options.count("max_prompt_length", max_prompt_length, "tokens of a prompt, which is cut at its beginning; 0: no limit");
}

prompt_text prompt_of(const model_folder& folder, const std::string& text, const prompt_options& how) {
  prompt_text prompt = whole_prompt(folder, text, how.chat);
  prompt.where = "--prompt";
  if (cut(prompt, how.max_prompt_length)) std::fprintf(stderr, "tilt: the prompt is cut to max_prompt_length\n");
  return prompt;
}

std::vector<prompt_text> read_prompts(const model_folder& folder, const std::string& path, const prompt_options& how, std::size_t* told) {
  for (const char* table : {".csv", ".tsv", ".parquet"})
    if (path.ends_with(table)) throw input_error(path + ": is a table by its name; give a prompt a line, or JSONL with \"prompt\"");
  std::vector<prompt_text> prompts;
  std::size_t shortened = 0;
  line_reader lines(path);
  for (std::string line; lines.next(line);) {
    try {
      prompts.push_back(prompt_of_line(folder, line, how.chat));
    } catch (const input_error& e) { throw input_error(lines.where() + ": " + e.what()); }
    prompts.back().where = lines.where();
    if (cut(prompts.back(), how.max_prompt_length)) ++shortened;
  }
  if (prompts.empty()) throw input_error("there are no prompts; give --prompt, --data, or lines on standard input");
  if (shortened > 0 && (told == nullptr || *told != shortened))
    std::fprintf(stderr, "tilt: %s: %zu prompt%s cut to max_prompt_length\n", lines.name().c_str(), shortened, shortened > 1 ? "s" : "");
  if (told != nullptr) *told = shortened;
  return prompts;
}

void require_room(index positions, std::span<const prompt_text> prompts, index max_new_tokens, index max_length) {
  for (const prompt_text& p : prompts) {
    const auto length = static_cast<index>(p.ids.size()), room = max_length > 0 ? max_length - length : max_new_tokens;
    const std::string has = p.where + ": the prompt has " + std::to_string(length) + " tokens",
                      holds = std::string("the model's ").append(std::to_string(positions)).append(" positions"),
                      shorten = "cut prompts with --max-prompt-length";
    if (length == 0) throw input_error(p.where + ": the prompt has no tokens; give it a text");
    if (length > positions) throw input_error(has + ", more than " + holds + "; " + shorten);
    if (room < 1)
      throw input_error(has + ", which leave no room for others in --max-length " + std::to_string(max_length) + "; raise it, or " +
                        shorten);
    if (length + room - 1 > positions)
      throw input_error(has + " and with " + std::to_string(room) + " new ones exceeds " + holds + "; lower " +
                        (max_length > 0 ? "--max-length" : "--max-new-tokens") + ", or " + shorten);
  }
}

}  // namespace tilt::program
