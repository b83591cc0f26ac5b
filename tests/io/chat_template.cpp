// SPDX-License-Identifier: Apache-2.0
// Chat templates: which ones are recognised, and what they write.
#include <tilt/io/chat_template.hpp>

#include "files.hpp"

namespace tilt::test {
namespace {

/// ChatML as it is written most often, in one line and with escapes.
const std::string chatml =
    R"({% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";
/// The same with a system message of its own.
std::string with_system(const std::string& system) {
  return "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n" + system +
         "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
}
std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}
const std::vector<message> question{{"user", " Hi\n there "}}, talk{{"user", "Hi"}, {"assistant", "Ho"}}, led{{"system", "Be brief."}, {"user", "Hi"}};

}  // namespace

TEST_CASE("ChatML without a system message") {
  const chat_template chat(chatml);
  REQUIRE(chat.known());
  CHECK(chat.render(question, true) == "<|im_start|>user\n Hi\n there <|im_end|>\n<|im_start|>assistant\n");
  CHECK(chat.render(talk, false) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n");
  CHECK(chat.render({}, true) == "<|im_start|>assistant\n");
}

TEST_CASE("ChatML with a system message of its own, as SmolLM2 has it") {
  const chat_template chat(with_system("You are a helpful AI assistant, made for tests"));
  REQUIRE(chat.known());
  CHECK(chat.render(question, true) ==
        "<|im_start|>system\nYou are a helpful AI assistant, made for tests<|im_end|>\n<|im_start|>user\n Hi\n there <|im_end|>\n<|im_start|>assistant\n");
  CHECK(chat.render(led, false) == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
  CHECK(chat.render({}, true) == "<|im_start|>assistant\n");  // the loop, and with it the system message, is not entered
  const chat_template escaped(replaced(with_system("S"), "system\nS", "system\\nS"));
  REQUIRE(escaped.known());
  CHECK(escaped.render(talk, false).rfind("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n", 0) == 0);
}

TEST_CASE("layout that prints nothing is no other template") {
  for (const std::string& same :
       {chatml + "\n", " " + chatml, "{# a note #}" + chatml, replaced(chatml, "messages %}", "messages %}\n"), replaced(chatml, "endfor %}", "endfor %}\n"), replaced(chatml, "endfor %}", "endfor %}\n  "),
        replaced(chatml, "{{'<|im", "{{ '<|im"), replaced(chatml, "message['role']", "message[\"role\"]"),
        "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}" + chatml}) {
    INFO(same);
    const chat_template chat(same);
    REQUIRE(chat.known());
    CHECK(chat.render(talk, true) == chat_template(chatml).render(talk, true));
  }
}

TEST_CASE("templates that write something else are not taken for ChatML") {
  for (const std::string& other :
       {std::string("{{ messages }}"), chatml + "!", " x" + chatml, replaced(chatml, "'<|im_end|>' + '\\n'", "'<|im_end|>' + ''"), replaced(chatml, "'<|im_end|>' + '\\n'", "'<|im_end|>' + ' '"),
        replaced(chatml, "message['role'] + '\\n'", "message['role'] + ' '"), replaced(chatml, "assistant\\n", "assistant"), replaced(chatml, "assistant\\n", "model\\n"),
        replaced(chatml, "message['content']", "message['content'] | trim"), replaced(chatml, "}}{% endfor", "}}\n{% endfor"), replaced(chatml, "}}{% endfor", "}} {% endfor"),
        replaced(chatml, "messages %}", "messages %} "), replaced(chatml, "messages %}", "messages %}\n\n"), replaced(chatml, "messages %}", "messages %}\n    "),
        replaced(chatml, "'<|im_start|>' +", "'<| im_start|>' +"), replaced(with_system("S"), "!= 'system'", "== 'system'"), with_system("S").substr(0, 100),
        std::string("{% for message in messages %}{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}{% endfor %}"), std::string("{{'"), std::string("{")}) {
    INFO(other);
    const chat_template chat(other);
    CHECK_FALSE(chat.known());
    refuses([&] { chat.render(talk, true); }, {"chat template", "ChatML", "; "});
  }
  CHECK_FALSE(chat_template().known());
  CHECK_FALSE(chat_template("").known());
  refuses([&] { chat_template("", {}, "folder").render(talk, true); }, {"folder: there is no chat template", "; "});
  refuses([&] { chat_template("{{ messages }}", {}, "folder/chat_template.jinja").render(talk, true); },
          {"folder/chat_template.jinja: ", "no known form", "Llama-2", "Llama-3", "Zephyr", "Gemma", "Qwen", "Mistral"});
}

namespace {

const std::string in_turn = "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('in turn!') }}{% endif %}";
const std::string llama2_program =
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}" + in_turn +
    R"({% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %})"
    "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
const std::string mistral_program = "{{ bos_token }}{% for message in messages %}" + in_turn +
                                    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
                                    "{{ message['content'] + eos_token}}{% else %}{{ raise_exception('roles!') }}{% endif %}{% endfor %}";
const std::string llama3_program =
    R"({% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %})"
    R"({% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})";
// The later templates are long for their tools, which … stands for here and a conversation does not meet.
const std::string llama31_program = R"({{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if tools %}{{ tools }}{%- endif %}
{#- the system message #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools %}{{ tools }}{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools %}{{ tools }}{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- message.tool_calls }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
)";
const std::string zephyr_program = R"({% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %})";
const std::string gemma_program = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system!') }}{% endif %}{% for message in messages %}" + in_turn +
                                  "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
                                  R"({{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %})";
const std::string qwen_program = R"({%- if tools %}
    {{- "\n\n# Tools {\"name\": 1}" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nI\'m Q.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- message.tool_calls }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)";

const std::string gemma3_program = R"({{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("in turn!") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {{ message['content'][0]['text'] | trim }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
)";
const std::string qwen3_program = R"({%- if tools %}
    {{- tools }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(last_query_index=messages|length - 1, searching=true) %}
{%- for message in messages[::-1] %}
    {%- if ns.searching and message.role == "user" and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last_query_index = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
            {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {{- message.tool_calls }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
)";

struct form_case {
  const char* name;
  std::string program, system, turns, continued;  // expected
};
const std::vector<message> with_system_message{{"system", " S "}, {"user", " a "}}, turns{{"user", "a\n"}, {"assistant", " b "}, {"user", "c"}}, open_end{{"user", "a"}, {"assistant", "b c"}};

}  // namespace

TEST_CASE("the forms write what transformers makes of their templates") {
  const std::string header = "<|start_header_id|>", close = "<|end_header_id|>\n\n", dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
  const std::vector<form_case> cases{
      {"Llama-2", llama2_program, "<s>[INST] <<SYS>>\n S \n<</SYS>>\n\n a [/INST]", "<s>[INST] a [/INST] b </s><s>[INST] c [/INST]", "<s>[INST] a [/INST] b c"},
      {"Mistral", mistral_program, "", "<s>[INST] a\n [/INST] b </s>[INST] c [/INST]", "<s>[INST] a [/INST]b c"},
      {"Llama-3", llama3_program, "<s>" + header + "system" + close + "S<|eot_id|>" + header + "user" + close + "a<|eot_id|>" + header + "assistant" + close,
       "<s>" + header + "user" + close + "a<|eot_id|>" + header + "assistant" + close + "b<|eot_id|>" + header + "user" + close + "c<|eot_id|>" + header + "assistant" + close,
       "<s>" + header + "user" + close + "a<|eot_id|>" + header + "assistant" + close + "b c"},
      {"Llama-3", llama31_program, "<s>" + header + "system" + close + dates + "S<|eot_id|>" + header + "user" + close + "a<|eot_id|>" + header + "assistant" + close,
       "<s>" + header + "system" + close + dates + "<|eot_id|>" + header + "user" + close + "a<|eot_id|>" + header + "assistant" + close + "b<|eot_id|>" + header + "user" + close + "c<|eot_id|>" + header +
           "assistant" + close,
       "<s>" + header + "system" + close + dates + "<|eot_id|>" + header + "user" + close + "a<|eot_id|>" + header + "assistant" + close + "b c"},
      {"Zephyr", zephyr_program, "<|system|>\n S </s>\n<|user|>\n a </s>\n<|assistant|>\n", "<|user|>\na\n</s>\n<|assistant|>\n b </s>\n<|user|>\nc</s>\n<|assistant|>\n",
       "<|user|>\na</s>\n<|assistant|>\nb c"},
      {"Gemma", gemma_program, "", "<s><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n",
       "<s><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb c"},
      // A system message stands before the first question, as it is; the question itself is stripped.
      {"Gemma", gemma3_program, "<s><start_of_turn>user\n S \n\na<end_of_turn>\n<start_of_turn>model\n",
       "<s><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n",
       "<s><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb c"},
      {"Qwen", qwen_program, "<|im_start|>system\n S <|im_end|>\n<|im_start|>user\n a <|im_end|>\n<|im_start|>assistant\n",
       "<|im_start|>system\nI'm Q.<|im_end|>\n<|im_start|>user\na\n<|im_end|>\n<|im_start|>assistant\n b <|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n",
       "<|im_start|>system\nI'm Q.<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb c"}};
  for (const form_case& c : cases) {
    INFO(c.name << ": " << c.program);
    const chat_template chat(c.program, {"<s>", "</s>"}, "file");
    REQUIRE(chat.known());
    CHECK(chat.name() == c.name);
    if (c.system.empty()) refuses([&] { chat.render(with_system_message, true); }, {"message 1", "system", "; "});
    else CHECK(chat.prompt(with_system_message) == c.system);
    CHECK(chat.prompt(turns) == c.turns);
    CHECK(chat.prompt(open_end) == c.continued);
    // A prompt begins the whole conversation, which is what makes the answer's tokens the ones behind it.
    std::vector<message> whole = turns;
    whole.push_back({"assistant", "d"});
    CHECK(chat.render(whole, false).starts_with(chat.prompt(turns)));
    CHECK_FALSE(chat_template(c.program + "!", {}, "file").known());
  }
}

TEST_CASE("Qwen 3 shows what was thought behind the last question alone") {
  const chat_template chat(qwen3_program, {"<s>", "</s>"}, "file");
  REQUIRE(chat.known());
  CHECK(chat.name() == std::string("Qwen"));
  const auto turn = [](const std::string& role, const std::string& content) { return "<|im_start|>" + role + "\n" + content + "<|im_end|>\n"; };
  const std::string asked = "<|im_start|>assistant\n";
  CHECK(chat.prompt(with_system_message) == turn("system", " S ") + turn("user", " a ") + asked);  // no system message of its own
  CHECK(chat.prompt(turns) == turn("user", "a\n") + turn("assistant", " b ") + turn("user", "c") + asked);
  // The last answer shows that nothing was thought; as a prompt, it and what precedes it are one beginning.
  CHECK(chat.render(open_end, false) == turn("user", "a") + turn("assistant", "<think>\n\n</think>\n\nb c"));
  const std::vector<message> thought{{"user", "a"}, {"assistant", "<think>\nhm\n\n</think>\n\nb"}}, more{{"user", "a"}, {"assistant", "<think>\nhm\n</think>\n\nb"}, {"user", "c"}, {"assistant", "d"}};
  CHECK(chat.render(thought, false) == turn("user", "a") + turn("assistant", "<think>\nhm\n</think>\n\nb"));
  CHECK(chat.render(more, false) == turn("user", "a") + turn("assistant", "b") + turn("user", "c") + turn("assistant", "<think>\n\n</think>\n\nd"));
  CHECK(chat.prompt(more).starts_with(turn("user", "a") + turn("assistant", "b") + turn("user", "c")));
  // What a tool answers is no question: the answer before it still shows its thoughts, and one without thoughts does not.
  const std::vector<message> tool{{"user", "a"}, {"assistant", "<think>\nhm\n</think>\n\nb"}, {"user", "<tool_response>\n1\n</tool_response>"}, {"assistant", "d"}};
  CHECK(chat.render(tool, false) == turn("user", "a") + turn("assistant", "<think>\nhm\n</think>\n\nb") + turn("user", "<tool_response>\n1\n</tool_response>") + turn("assistant", "<think>\n\n</think>\n\nd"));
  const std::vector<message> silent{{"user", "a"}, {"assistant", "b"}, {"user", "<tool_response></tool_response>"}, {"assistant", "d"}};
  CHECK(chat.render(silent, false) == turn("user", "a") + turn("assistant", "b") + turn("user", "<tool_response></tool_response>") + turn("assistant", "<think>\n\n</think>\n\nd"));
  const std::vector<message> function{{"user", "a"}, {"tool", "b"}};
  refuses([&] { chat.render(function, true); }, {"message 2", "'tool'"});
  CHECK_FALSE(chat_template(qwen3_program + "!", {}, "file").known());
  CHECK_FALSE(chat_template(replaced(qwen3_program, "reasoning_content.strip('\\n')", "reasoning_content"), {}, "file").known());
}

TEST_CASE("roles that a form does not take are refused by number and name") {
  const std::vector<message> twice{{"user", "a"}, {"user", "b"}}, tool{{"user", "a"}, {"tool", "b"}};
  for (const std::string& program : {llama2_program, mistral_program, gemma_program, gemma3_program})
    refuses([&] { chat_template(program).render(twice, true); }, {"message 2", "'user'", "in turn"});
  for (const std::string& program : {qwen_program, zephyr_program, llama31_program}) refuses([&] { chat_template(program).render(tool, true); }, {"message 2", "'tool'"});
}

}  // namespace tilt::test
