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
    std::string source;  // with the escape \n as the character that it stands for
    for (std::size_t i = 0; i < jinja.size(); ++i) {
      const bool escape = jinja[i] == '\\' && i + 1 < jinja.size() && jinja[i + 1] == 'n';
      source += escape ? '\n' : jinja[i];
      if (escape) ++i;
    }
    const std::string head = "<|im_start|>system\n", tail = "<|im_end|>";
    const std::size_t begin = source.find(head);
    const std::size_t end = begin == std::string::npos ? begin : source.find(tail, begin);
    if (end != std::string::npos) {
      system_ = source.substr(begin + head.size(), end - begin - head.size());
      source = source.substr(0, begin + head.size()) + "…" + source.substr(end);
    }
    const std::string each = "{%formessageinmessages%}";
    const std::string loop = "{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>'+'\n'}}{%endfor%}{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%endif%}";
    const std::string preamble = "{%ifloop.firstandmessages[0]['role']!='system'%}{{'<|im_start|>system\n…<|im_end|>\n'}}{%endif%}";
    const std::string default_flag = "{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}";
    std::string bare = without_layout(source);
    if (bare.starts_with(default_flag)) bare.erase(0, default_flag.size());
    known_ = bare == each + loop || bare == each + preamble + loop;
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
  /// Without the white space that prints nothing: inside tags but not inside their strings, and, between tags, a line break after
  /// {% … %} with what indents the next tag (trim_blocks and lstrip_blocks, as transformers sets them).
  static std::string without_layout(std::string_view source) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    std::string out;
    for (std::size_t i = 0; i < source.size();) {
      if (source[i] != '{') {
        if (source[i] != '\n' || i + 1 != source.size()) out += source[i];  // the file's last line break is none of the template's
        ++i;
        continue;
      }
      const std::size_t begin = i;
      char quote = 0;
      for (bool inside = true; inside && i < source.size(); ++i) {
        const char c = source[i];
        if (quote == 0 && (blank(c) || c == '\n')) continue;
        if (quote == 0 && (c == '\'' || c == '"')) {
          quote = c;
          out += '\'';
        } else if (c == quote) {
          quote = 0;
          out += '\'';
        } else {
          out += c;
          inside = quote != 0 || c != '}' || i < begin + 3 || (source[i - 1] != '}' && source[i - 1] != '%');
        }
      }
      if (out.ends_with("%}") && i < source.size() && source[i] == '\n') {
        std::size_t next = ++i;
        while (next < source.size() && blank(source[next])) ++next;
        if (source.substr(next, 2) == "{%") i = next;
      }
    }
    return out;
  }
  bool known_ = false, has_system_ = false;
  std::string system_;
};

}  // namespace tilt
