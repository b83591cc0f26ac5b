// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/io/examples.hpp>

namespace tilt {

/// How a chat model writes a conversation. A model's template is a Jinja program; this recognises the programs that write ChatML,
/// `<|im_start|>role⏎content<|im_end|>⏎` for each message, with or without a system message of their own where a conversation begins
/// without one, and refuses every other.
class chat_template {
 public:
  chat_template() = default;
  /// The text of chat_template.jinja, or of `chat_template` in tokenizer_config.json.
  explicit chat_template(const std::string& jinja) {
    std::string source = jinja;
    for (std::size_t at; (at = source.find("\\n")) != std::string::npos;) source.replace(at, 2, "\n");
    const std::string head = "<|im_start|>system\n", tail = "<|im_end|>";
    const std::size_t begin = source.find(head);
    const std::size_t end = begin == std::string::npos ? begin : source.find(tail, begin);
    if (end != std::string::npos) {
      system_ = source.substr(begin + head.size(), end - begin - head.size());
      source.replace(begin + head.size(), end - begin - head.size(), "…");
    }
    const std::string loop = "{{'<|im_start|>'+message['role']+''+message['content']+'<|im_end|>'+''}}{%endfor%}{%ifadd_generation_prompt%}{{'<|im_start|>assistant'}}{%endif%}";
    const std::string preamble = "{%ifloop.firstandmessages[0]['role']!='system'%}{{'<|im_start|>system…<|im_end|>'}}{%endif%}";
    const std::string bare = without_space(source);
    known_ = bare == "{%formessageinmessages%}" + loop || bare == "{%formessageinmessages%}" + preamble + loop;
    has_system_ = end != std::string::npos;
  }

  bool known() const { return known_; }

  std::string render(std::span<const message> messages, bool add_generation_prompt) const {
    if (!known_) throw input_error("the model's chat template is missing or not of a known form (ChatML is); give prompt, chosen and rejected as plain texts");
    std::string text;
    if (has_system_ && !messages.empty() && messages.front().role != "system") text += "<|im_start|>system\n" + system_ + "<|im_end|>\n";
    for (const message& m : messages) text += "<|im_start|>" + m.role + "\n" + m.content + "<|im_end|>\n";
    if (add_generation_prompt) text += "<|im_start|>assistant\n";
    return text;
  }

 private:
  static std::string without_space(const std::string& text) {
    std::string out;
    for (const char c : text)
      if (c != ' ' && c != '\n' && c != '\t' && c != '\r') out += c;
    return out;
  }
  bool known_ = false, has_system_ = false;
  std::string system_;
};

}  // namespace tilt
