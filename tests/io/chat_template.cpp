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
       {chatml + "\n", replaced(chatml, "messages %}", "messages %}\n"), replaced(chatml, "endfor %}", "endfor %}\n"), replaced(chatml, "endfor %}", "endfor %}\n  "),
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
       {std::string(), std::string("{{ messages }}"), chatml + "!", " " + chatml, replaced(chatml, "'<|im_end|>' + '\\n'", "'<|im_end|>' + ''"), replaced(chatml, "'<|im_end|>' + '\\n'", "'<|im_end|>' + ' '"),
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
}

}  // namespace tilt::test
