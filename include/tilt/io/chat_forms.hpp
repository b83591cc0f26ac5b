// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/io/examples.hpp>
#include <tilt/io/utf8.hpp>
#include <vector>

namespace tilt::detail {

/// What a conversation is written from.
struct chat_input {
  std::span<const message> messages;
  bool generation_prompt;
  std::string_view bos, eos;
  std::span<const std::string> held;  ///< what the template holds where its form has …
  bool begins_with_bos;               ///< the template prints the BOS token first

  bool has_system() const { return !messages.empty() && messages.front().role == "system"; }
  std::span<const message> after_system() const { return messages.subspan(has_system() ? 1 : 0); }
};

/// Text without white space at its ends, as Python's strip() sees it.
inline std::string_view stripped(std::string_view text) {
  const auto is_space = [](char32_t c) {
    return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
  };
  const auto space_at = [&](std::size_t at) -> std::size_t {  // its bytes, 0 if it is none
    const std::size_t n = utf8_length(text.substr(at));
    return n > 0 && is_space(code_point(text.substr(at), n)) ? n : 0;
  };
  while (const std::size_t n = space_at(0)) text.remove_prefix(n);
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (space_at(begin) != text.size() - begin) break;
    text = text.substr(0, begin);
  }
  return text;
}

[[noreturn]] inline void refuse_message(std::size_t number, const message& m, const char* wanted) {
  throw input_error("message " + std::to_string(number + 1) + " of the conversation is of the role '" + one_line(m.role) + "', and the model's chat template takes " + wanted +
                    "; write the messages so");
}
inline void require_alternation(const chat_input& in, bool system) {
  const std::size_t first = system && in.has_system() ? 1 : 0;
  for (std::size_t i = first; i < in.messages.size(); ++i)
    if (in.messages[i].role != ((i - first) % 2 == 0 ? "user" : "assistant"))
      refuse_message(i, in.messages[i], system ? "user and assistant in turn, behind an optional system message" : "user and assistant in turn, and no system message");
}
inline void require_roles(const chat_input& in) {
  for (std::size_t i = 0; i < in.messages.size(); ++i)
    if (const std::string& role = in.messages[i].role; role != "system" && role != "user" && role != "assistant") refuse_message(i, in.messages[i], "system, user and assistant");
}

inline void append_chatml(std::string& text, std::string_view role, std::string_view content) {
  for (const std::string_view part : {std::string_view("<|im_start|>"), role, std::string_view("\n"), content, std::string_view("<|im_end|>\n")}) text += part;
}
inline std::string chatml(const chat_input& in) {
  std::string text;
  if (!in.held.empty() && !in.messages.empty() && !in.has_system()) append_chatml(text, "system", in.held[0]);
  for (const message& m : in.messages) append_chatml(text, m.role, m.content);
  return text + (in.generation_prompt ? "<|im_start|>assistant\n" : "");
}
/// ChatML of the three roles that come without tools.
inline std::string chatml_of_roles(const chat_input& in) {
  require_roles(in);
  return chatml(in);
}
/// ChatML in which the answers behind the last question show what was thought, be it nothing, and earlier ones do not.
inline std::string qwen3(const chat_input& in) {
  require_roles(in);
  const auto without_breaks = [](std::string_view t, bool front, bool back) {
    while (front && t.starts_with('\n')) t.remove_prefix(1);
    while (back && t.ends_with('\n')) t.remove_suffix(1);
    return t;
  };
  const auto is_question = [](const message& m) { return m.role == "user" && !(m.content.starts_with("<tool_response>") && m.content.ends_with("</tool_response>")); };
  std::size_t last_question = in.messages.empty() ? 0 : in.messages.size() - 1;
  for (std::size_t i = in.messages.size(); i-- > 0;)
    if (is_question(in.messages[i])) {
      last_question = i;
      break;
    }
  std::string text;
  for (std::size_t i = 0; i < in.messages.size(); ++i) {
    const message& m = in.messages[i];
    if (m.role != "assistant") {
      append_chatml(text, m.role, m.content);
      continue;
    }
    std::string_view thought, content = m.content;
    if (const std::size_t end = content.find("</think>"); end != std::string_view::npos) {
      thought = without_breaks(content.substr(0, end), false, true);
      if (const std::size_t begin = thought.rfind("<think>"); begin != std::string_view::npos) thought.remove_prefix(begin + 7);
      thought = without_breaks(thought, true, false);
      content = without_breaks(content.substr(content.rfind("</think>") + 8), true, false);
    }
    if (i > last_question && (i + 1 == in.messages.size() || !thought.empty()))
      append_chatml(text, m.role, "<think>\n" + std::string(without_breaks(thought, true, true)) + "\n</think>\n\n" + std::string(without_breaks(content, true, false)));
    else
      append_chatml(text, m.role, content);
  }
  return text + (in.generation_prompt ? "<|im_start|>assistant\n" : "");
}

inline std::string llama2(const chat_input& in) {
  require_alternation(in, true);
  std::string text;
  bool first = true;
  for (const message& m : in.after_system()) {
    const std::string content = (first && in.has_system() ? "<<SYS>>\n" + in.messages[0].content + "\n<</SYS>>\n\n" : std::string()) + m.content;
    first = false;
    if (m.role == "user") ((text += in.bos) += "[INST] ") += std::string(stripped(content)) + " [/INST]";
    else ((text += " ") += std::string(stripped(content)) + " ") += in.eos;
  }
  return text;
}
inline std::string mistral(const chat_input& in) {
  require_alternation(in, false);
  std::string text(in.bos);
  for (const message& m : in.messages) {
    if (m.role == "user") text += "[INST] " + m.content + " [/INST]";
    else ((text += m.content) += in.eos) += in.held.empty() ? std::string() : in.held[0];
  }
  return text;
}

inline std::string llama3_message(std::string_view role, std::string_view content) {
  return "<|start_header_id|>" + std::string(role) + "<|end_header_id|>\n\n" + std::string(stripped(content)) + "<|eot_id|>";
}
constexpr const char* llama3_answer = "<|start_header_id|>assistant<|end_header_id|>\n\n";
inline std::string llama3(const chat_input& in) {
  std::string text(in.messages.empty() ? std::string_view() : in.bos);
  for (const message& m : in.messages) text += llama3_message(m.role, m.content);
  return text + (in.generation_prompt ? llama3_answer : "");
}
/// The first template of Llama 3, which always asks for an answer.
inline std::string llama3_asking(const chat_input& in) {
  chat_input asking = in;
  asking.generation_prompt = true;
  return llama3(asking);
}
/// Llama 3.1 and later: a system message with dates. The day is the template's own, not that of the clock, which 3.2 would ask: a text does
/// not depend on when it is written.
inline std::string llama31(const chat_input& in) {
  require_roles(in);
  std::string text(in.bos);
  text += "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: " + in.held[0] + "\n\n";
  if (in.has_system()) text += stripped(in.messages[0].content);
  text += "<|eot_id|>";
  for (const message& m : in.after_system()) text += llama3_message(m.role, m.content);
  return text + (in.generation_prompt ? llama3_answer : "");
}

inline std::string zephyr(const chat_input& in) {
  require_roles(in);
  std::string text;
  for (const message& m : in.messages) (text += "<|" + m.role + "|>\n" + m.content) += std::string(in.eos) + "\n";
  return text + (in.generation_prompt && !in.messages.empty() ? "<|assistant|>\n" : "");
}

inline std::string gemma(const chat_input& in, bool system) {
  require_alternation(in, system);
  std::string text(in.begins_with_bos ? in.bos : std::string_view());
  bool first = true;
  for (const message& m : in.after_system()) {
    text += std::string("<start_of_turn>") + (m.role == "assistant" ? "model" : "user") + "\n";
    if (std::exchange(first, false) && in.has_system()) text += in.messages[0].content + "\n\n";
    text += std::string(stripped(m.content)) + "<end_of_turn>\n";
  }
  return text + (in.generation_prompt ? "<start_of_turn>model\n" : "");
}
inline std::string gemma12(const chat_input& in) { return gemma(in, false); }
inline std::string gemma3(const chat_input& in) { return gemma(in, true); }

/// A kind of chat template: its programs in the spelling of template_program, and what they write.
struct chat_form {
  const char* name;
  std::string program;
  std::string (*write)(const chat_input&);
};

inline const std::vector<chat_form>& chat_forms() {
  static const std::vector<chat_form> all = [] {
    const std::string each = "{%formessageinmessages%}", end = "{%endfor%}";
    const auto asked = [](const std::string& text) { return "{%ifadd_generation_prompt%}{{'" + text + "'}}{%endif%}"; };
    const std::string in_turn = "{%if(message['role']=='user')!=(loop.index0%2==0)%}{{raise_exception('⋯')}}{%endif%}";

    const std::string line = "{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>'+'\n'}}", chatml_end = end + asked("<|im_start|>assistant\n");
    const std::string own_system = "{{'<|im_start|>system\n…<|im_end|>\n'}}", given_system = "{{'<|im_start|>system\n'+messages[0]['content']+'<|im_end|>\n'}}";
    const std::string if_system = "{%ifmessages[0]['role']=='system'%}" + given_system;
    const std::string answer = "{{'<|im_start|>'+message['role']+'\n'+content}}";

    const std::string split_system = "{%ifmessages[0]['role']=='system'%}{%setloop_messages=messages[1:]%}{%setsystem_message=messages[0]['content']%}";
    const std::string no_system = "{%else%}{%setloop_messages=messages%}{%setsystem_message=false%}{%endif%}";
    const std::string llama2_loop = "{%formessageinloop_messages%}" + in_turn +
                                    "{%ifloop.index0==0andsystem_message!=false%}{%setcontent='<<SYS>>\n'+system_message+'\n<</SYS>>\n\n'+message['content']%}{%else%}"
                                    "{%setcontent=message['content']%}{%endif%}{%ifmessage['role']=='user'%}{{bos_token+'[INST] '+content.strip()+' [/INST]'}}";
    const std::string llama2_end = "{%elifmessage['role']=='assistant'%}{{' '+content.strip()+' '+eos_token}}{%endif%}" + end;
    const auto mistral_program = [&](const std::string& behind) {
      return "{{bos_token}}" + each + in_turn + "{%ifmessage['role']=='user'%}{{'[INST] '+message['content']+' [/INST]'}}{%elifmessage['role']=='assistant'%}{{message['content']+eos_token" + behind +
             "}}{%else%}{{raise_exception('⋯')}}{%endif%}" + end;
    };

    const std::string header = "{{'<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+message['content']|trim+'<|eot_id|>'}}";
    const std::string llama3_loop = "{%setloop_messages=messages%}{%formessageinloop_messages%}{%setcontent='<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+message['content']|trim+'<|eot_id|>'%}"
                                    "{%ifloop.index0==0%}{%setcontent=bos_token+content%}{%endif%}{{content}}" + end;

    const std::string gemma_role = "{%if(message['role']=='assistant')%}{%setrole='model'%}{%else%}{%setrole=message['role']%}{%endif%}";
    const std::string gemma_program = "{%ifmessages[0]['role']=='system'%}{{raise_exception('⋯')}}{%endif%}" + each + in_turn + gemma_role +
                                      "{{'<start_of_turn>'+role+'\n'+message['content']|trim+'<end_of_turn>\n'}}" + end + asked("<start_of_turn>model\n");
    const auto zephyr_role = [](const std::string& role) { return "message['role']=='" + role + "'%}{{'<|" + role + "|>\n'+message['content']+eos_token}}\n"; };

    return std::vector<chat_form>{
        {"ChatML", each + line + chatml_end, chatml},
        {"ChatML", each + "{%ifloop.firstandmessages[0]['role']!='system'%}" + own_system + "{%endif%}" + line + chatml_end, chatml},
        {"Qwen",
         "{%iftools%}⋯{%else%}" + if_system + "{%else%}" + own_system + "{%endif%}{%endif%}" + each +
             "{%if(message['role']=='user')or(message['role']=='system'andnotloop.first)or(message['role']=='assistant'andnotmessage.tool_calls)%}" + line +
             "{%elifmessage['role']=='assistant'%}⋯" + chatml_end,
         chatml_of_roles},
        {"Qwen",
         "{%iftools%}⋯{%else%}" + if_system + "{%endif%}{%endif%}" + each + "⋯{%elifmessage['role']=='assistant'%}" + answer + "{%ifmessage.tool_calls%}⋯" + chatml_end,
         chatml_of_roles},
        {"Qwen",
         "{%iftools%}⋯{%else%}" + if_system + "{%endif%}{%endif%}{%setns=namespace(⋯)%}⋯{%ifloop.index0>ns.last_query_index%}{%ifloop.lastor(notloop.lastandreasoning_content)%}"
             "{{'<|im_start|>'+message['role']+'\n<think>\n'+reasoning_content.strip('\n')+'\n</think>\n\n'+content.lstrip('\n')}}{%else%}" + answer + "{%endif%}{%else%}" + answer +
             "{%endif%}{%ifmessage.tool_calls%}⋯" + end +
             "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%ifenable_thinkingisdefinedandenable_thinkingisfalse%}{{'<think>\n\n</think>\n\n'}}{%endif%}{%endif%}",
         qwen3},
        {"Llama-2", split_system + no_system + llama2_loop + llama2_end, llama2},
        {"Llama-2",
         split_system + "{%eliffalse==trueandnot'<<SYS>>'inmessages[0]['content']%}{%setloop_messages=messages%}{%setsystem_message='…'%}" + no_system + llama2_loop +
             "{%elifmessage['role']=='system'%}⋯" + llama2_end,
         llama2},
        {"Mistral", mistral_program(""), mistral},
        {"Mistral", mistral_program("+'…'"), mistral},
        {"Llama-3", llama3_loop + asked(llama3_answer), llama3},
        {"Llama-3", llama3_loop + "{{'" + llama3_answer + "'}}", llama3_asking},
        {"Llama-3",
         "{{bos_token}}⋯{%setdate_string='…'%}⋯{%ifmessages[0]['role']=='system'%}{%setsystem_message=messages[0]['content']|trim%}{%setmessages=messages[1:]%}{%else%}"
         "{%setsystem_message=''%}{%endif%}{{'<|start_header_id|>system<|end_header_id|>\n\n'}}⋯{{'Cutting Knowledge Date: December 2023\n'}}{{'Today Date: '+date_string+'\n\n'}}⋯"
         "{{system_message}}{{'<|eot_id|>'}}⋯" + each + "{%ifnot(message['role']=='ipython'ormessage['role']=='tool'or'tool_calls'inmessage)%}" + header + "{%elif'tool_calls'inmessage%}⋯" + end + asked(llama3_answer),
         llama31},
        {"Zephyr",
         each + "{%if" + zephyr_role("user") + "{%elif" + zephyr_role("system") + "{%elif" + zephyr_role("assistant") + "{%endif%}{%ifloop.lastandadd_generation_prompt%}{{'<|assistant|>'}}\n{%endif%}" + end,
         zephyr},
        {"Gemma", gemma_program, gemma12},
        {"Gemma", "{{bos_token}}" + gemma_program, gemma12},
        {"Gemma",
         "{{bos_token}}{%ifmessages[0]['role']=='system'%}{%ifmessages[0]['content']isstring%}{%setfirst_user_prefix=messages[0]['content']+'\n\n'%}{%else%}⋯{%endif%}{%setloop_messages=messages[1:]%}"
         "{%else%}{%setfirst_user_prefix=''%}{%setloop_messages=messages%}{%endif%}{%formessageinloop_messages%}" + in_turn + gemma_role +
             "{{'<start_of_turn>'+role+'\n'+(first_user_prefixifloop.firstelse'')}}{%ifmessage['content']isstring%}{{message['content']|trim}}{%elif⋯{%endif%}{{'<end_of_turn>\n'}}" + end +
             asked("<start_of_turn>model\n"),
         gemma3}};
  }();
  return all;
}

}  // namespace tilt::detail
