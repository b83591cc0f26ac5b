// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/io/chat_forms.hpp>
#include <tilt/io/template_program.hpp>

namespace tilt {

/// The texts of a tokenizer's tokens that templates print.
struct chat_tokens {
  std::string bos, eos;
};

/// How a chat model writes a conversation. A model's template is a Jinja program; this recognises the published ones of ChatML, Qwen (2 to 3),
/// Llama-2, Llama-3 (to 3.3), Mistral, Zephyr and Gemma (to 3), apart from layout that prints nothing, as they write conversations without tools,
/// and refuses every other.
class chat_template {
 public:
  chat_template() = default;
  /// The text of chat_template.jinja, or of `chat_template` in tokenizer_config.json; `origin` is the file, for refusals.
  explicit chat_template(const std::string& jinja, chat_tokens tokens = {}, std::string origin = {}) : tokens_(std::move(tokens)), origin_(std::move(origin)) {
    std::string program = detail::template_program::of(jinja);
    const std::string usual_flag = "{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}";
    if (program.starts_with(usual_flag)) program.erase(0, usual_flag.size());
    begins_with_bos_ = program.starts_with("{{bos_token}}");
    given_ = !program.empty();
    for (const detail::chat_form& form : detail::chat_forms())
      if (detail::program_matches(form.program, program, held_)) {
        form_ = &form;
        break;
      }
  }

  bool known() const { return form_ != nullptr; }
  /// Of the form, "ChatML" for one; empty where it is not known.
  std::string name() const { return known() ? form_->name : ""; }

  /// The conversation as a text, with what asks for an answer behind it if told to. Throws input_error where the template has no known form or does
  /// not take these roles in this order.
  std::string render(std::span<const message> messages, bool add_generation_prompt) const {
    require_known();
    return form_->write({messages, add_generation_prompt, tokens_.bos, tokens_.eos, held_, begins_with_bos_});
  }

  /// The conversation as a prompt: an answer is asked for behind a user's message; an assistant's last message is left open, so that an answer
  /// goes on with it. This is what TRL makes of prompts.
  std::string prompt(std::span<const message> messages) const {
    if (messages.empty() || messages.back().role != "assistant") return render(messages, true);
    static constexpr std::string_view mark = "\1here it goes on\1 ";  // its space shows whether the template keeps one at a message's end
    std::vector<message> marked(messages.begin(), messages.end());
    marked.back().content += mark;
    std::string text = render(marked, false);
    const std::size_t at = text.rfind(mark.substr(0, mark.size() - 1));
    const bool keeps_space = text.substr(at).starts_with(mark);
    text.resize(at);
    if (keeps_space) return text;
    const std::size_t last = text.find_last_not_of(" \t\r\n");
    return text.substr(0, last + 1);
  }

 private:
  void require_known() const {
    if (known()) return;
    std::string names;
    for (const detail::chat_form& form : detail::chat_forms())
      if (names.find(form.name) == std::string::npos) names += (names.empty() ? "" : ", ") + std::string(form.name);
    const std::string where = origin_.empty() ? "" : origin_ + ": ";
    throw input_error(where + (given_ ? "the chat template is of no known form (" + names + ")" : "there is no chat template (in chat_template.jinja or tokenizer_config.json)") +
                      "; put one of a known form there, or give texts instead of messages");
  }

  chat_tokens tokens_;
  std::string origin_;
  const detail::chat_form* form_ = nullptr;
  std::vector<std::string> held_;
  bool begins_with_bos_ = false, given_ = false;
};

}  // namespace tilt
