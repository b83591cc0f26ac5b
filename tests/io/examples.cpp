// SPDX-License-Identifier: Apache-2.0
// Rows of preference data: every shape, packed and not, and what is wrong with a file, by line.
#include <tilt/io/examples.hpp>

#include "files.hpp"

namespace tilt::test {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

fs::path file(const std::string& text, const char* name = "data.jsonl") {
  const fs::path path = process_folder() / name;
  put(path, text);
  return path;
}
std::vector<example> read(const std::string& text) { return read_examples(file(text)); }
example one(const json& row) {
  const std::vector<example> all = read(row.dump() + "\n");
  REQUIRE(all.size() == 1);
  return all[0];
}
void refused(const std::string& text, std::initializer_list<const char*> words) {
  INFO(text.substr(0, 300));
  refuses([&] { read(text); }, words);
  refuses([&] { read(text); }, {"data.jsonl", "; "});
}
void refused_row(const json& row, std::initializer_list<const char*> words) {
  refused("{\"text\": \"fine\"}\n\n" + row.dump(), words);
  refused("{\"text\": \"fine\"}\n\n" + row.dump(), {"data.jsonl:3: "});
}
/// What the text of a gzip file is.
std::string packed(const std::string& text) {
  const fs::path path = process_folder() / "a.gz";
  const gzFile zip = gzopen(path.c_str(), "wb");
  REQUIRE(zip != nullptr);
  gzwrite(zip, text.data(), static_cast<unsigned>(text.size()));
  gzclose(zip);
  return contents(path);
}
json said(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }
using messages = std::vector<message>;

}  // namespace

TEST_CASE("rows with scores, win probabilities and weights") {
  example e = one({{"prompt", "p"},
                   {"chosen", "c"},
                   {"rejected", "r"},
                   {"score_chosen", 4.5},
                   {"score_rejected", 2},
                   {"win_probability", 0.75},
                   {"weight", 0.5}});
  CHECK(e.scores == std::vector<double>{4.5, 2});
  CHECK((e.win_probability == 0.75 && e.weight == 0.5));
  e = one({{"prompt", "p"}, {"chosen", "c"}, {"rejected", "r"}});
  CHECK((e.scores.empty() && e.win_probability == 1 && e.weight == 1));
  CHECK(one({{"prompt", "p"}, {"completion", "c"}, {"label", false}, {"weight", 2}}).weight == 2);
  refused_row({{"prompt", "p"}, {"chosen", "c"}, {"rejected", "r"}, {"score_chosen", 4.5}}, {"score_rejected", "missing"});
  refused_row({{"prompt", "p"}, {"chosen", "c"}, {"rejected", "r"}, {"win_probability", 1.5}}, {"win_probability", "between 0 and 1"});
  refused_row({{"prompt", "p"}, {"chosen", "c"}, {"rejected", "r"}, {"weight", -1}}, {"weight", "negative"});
  refused_row({{"prompt", "p"}, {"chosen", "c"}, {"rejected", "r"}, {"weight", "much"}}, {"weight", "not a number"});
}

TEST_CASE("rankings: the best first, or by their scores") {
  example e = one({{"prompt", "p"}, {"responses", {"a", "b", "c"}}});
  CHECK(e.kind == example_kind::ranked);
  CHECK((e.prompt.text == "p" && e.responses.size() == 3 && e.responses[0].text == "a" && e.scores.empty()));
  e = one({{"prompt", "p"}, {"responses", {"a", "b", "c", "d"}}, {"scores", {1, 3, 2, 3}}});
  CHECK(e.scores == std::vector<double>{3, 3, 2, 1});
  CHECK((e.responses[0].text == "b" && e.responses[1].text == "d" && e.responses[2].text == "c" &&
         e.responses[3].text == "a"));  // equal ones in their order
  refused_row({{"prompt", "p"}, {"responses", {"a"}}}, {"responses", "two or more"});
  refused_row({{"prompt", "p"}, {"responses", {"a", "b"}}, {"scores", {1}}}, {"scores", "each response"});
  refused_row({{"prompt", "p"}, {"responses", {"a", "b"}}, {"scores", {1, "b"}}}, {"scores", "not a number"});
  refused_row({{"prompt", "p"}, {"responses", {"a", 1}}}, {"responses", "neither a text"});
}

TEST_CASE("rows of texts in every shape") {
  example e = one({{"prompt", "p"}, {"chosen", "c"}, {"rejected", "r"}});
  CHECK(e.kind == example_kind::pair);
  CHECK(e.line == 1);
  CHECK((e.prompt.text == "p" && e.chosen.text == "c" && e.rejected.text == "r"));
  CHECK_FALSE(e.prompt.conversational);
  for (const json& label : {json(true), json(1)}) {
    e = one({{"prompt", "p"}, {"completion", "c"}, {"label", label}});
    CHECK(e.kind == example_kind::labelled);
    CHECK((e.prompt.text == "p" && e.completion.text == "c" && e.label));
  }
  CHECK_FALSE(one({{"prompt", "p"}, {"completion", "c"}, {"label", false}}).label);
  e = one({{"prompt", "p"}, {"completion", "c"}, {"label", nullptr}});
  CHECK(e.kind == example_kind::completion);
  e = one({{"text", "t"}});
  CHECK((e.kind == example_kind::text && e.completion.text == "t"));
  e = one({{"ids", {3, 0, 2147483647}}});
  CHECK((e.kind == example_kind::ids && e.ids == std::vector<token>{3, 0, 2147483647}));
}

TEST_CASE("rows of conversations in every shape") {
  const json question = json::array({said("user", "q")}), answer = json::array({said("assistant", "a")}),
             other = json::array({said("assistant", "b")});
  example e = one({{"prompt", question}, {"chosen", answer}, {"rejected", other}});
  CHECK(e.kind == example_kind::pair);
  CHECK((e.prompt.conversational && e.chosen.conversational && e.rejected.conversational));
  CHECK(e.prompt.messages == messages{{"user", "q"}});
  CHECK(e.rejected.messages == messages{{"assistant", "b"}});
  e = one({{"prompt", question}, {"completion", answer}, {"label", false}});
  CHECK((e.kind == example_kind::labelled && !e.label && e.completion.messages == messages{{"assistant", "a"}}));
  e = one({{"messages", json::array({question[0], answer[0]})}});
  CHECK((e.kind == example_kind::text && e.completion.messages == messages{{"user", "q"}, {"assistant", "a"}}));
  const json human{{"from", "human"}, {"value", "q"}}, gpt{{"from", "gpt"}, {"value", "a"}}, worse{{"from", "gpt"}, {"value", "b"}};
  e = one({{"conversations", {human}}, {"chosen", gpt}, {"rejected", worse}});
  CHECK(e.kind == example_kind::pair);
  CHECK((e.prompt.messages == messages{{"user", "q"}} && e.chosen.messages == messages{{"assistant", "a"}} &&
         e.rejected.messages == messages{{"assistant", "b"}}));
  e = one({{"conversations", {{{"from", "system"}, {"value", "s"}}, human, gpt}}});
  CHECK(e.completion.messages == messages{{"system", "s"}, {"user", "q"}, {"assistant", "a"}});
  e = one({{"system", "s"}, {"conversations", {human, gpt}}});
  CHECK(e.completion.messages == messages{{"system", "s"}, {"user", "q"}, {"assistant", "a"}});
  for (const char* const tag : {"label", "kto_tag"}) {
    e = one({{"messages", json::array({question[0], answer[0]})}, {tag, false}});
    CHECK((e.kind == example_kind::labelled && !e.label));
    CHECK((e.prompt.messages == messages{{"user", "q"}} && e.completion.messages == messages{{"assistant", "a"}}));
  }
}

TEST_CASE("a prompt that is not given apart, in texts") {
  const auto split = [](const char* chosen, const char* rejected) {
    const example e = one({{"chosen", chosen}, {"rejected", rejected}});
    CHECK(e.prompt.text + e.chosen.text == chosen);
    CHECK(e.prompt.text + e.rejected.text == rejected);
    return e.prompt.text;
  };
  CHECK(split("Q: a", "Q: b") == "Q:");     // the space goes to the answers
  CHECK(split("Q:  a", "Q:  b") == "Q: ");  // one space does
  CHECK(split("Q:\na", "Q:\nb") == "Q:\n");
  CHECK(split("Q: yes", "Q: yeah") == "Q: ye");
  CHECK(split("a b", "a b c") == "a ");  // one begins the other: its last character is the answer, and no space moves
  CHECK(split("abc", "ab") == "a");
  CHECK(split("same", "same") == "sam");
  CHECK(split("x", "y").empty());
  CHECK(split("x ", "y ").empty());
  CHECK(split(" x", " y").empty());
  CHECK(split("", "y").empty());
  CHECK(split("x\xC3\xA9", "x\xC3\xA8") == "x");  // é and è share their first byte
  CHECK(split("x \xC3\xA9", "x \xC3\xA8") == "x");
  CHECK(split("x\xC3\xA9", "x\xC3\xA9!") == "x");
  CHECK(split("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x81").empty());
  CHECK(split("\xC3\xA9\xC3\xA9", "\xC3\xA9z") == "\xC3\xA9");
}

TEST_CASE("a prompt that is not given apart, in conversations") {
  const json system = said("system", "s"), question = said("user", "q"), good = said("assistant", "a"), bad = said("assistant", "b");
  example e = one({{"chosen", {system, question, good}}, {"rejected", {system, question, bad}}});
  CHECK(e.prompt.messages == messages{{"system", "s"}, {"user", "q"}});
  e = one({{"prompt", "the question once more, as a text"}, {"chosen", {system, question, good}}, {"rejected", {system, question, bad}}});
  CHECK((e.prompt.conversational && e.prompt.text.empty()));
  CHECK(e.prompt.messages == messages{{"system", "s"}, {"user", "q"}});
  CHECK(e.chosen.messages == messages{{"assistant", "a"}});
  CHECK(e.rejected.messages == messages{{"assistant", "b"}});
  e = one({{"chosen", {question, good, question}}, {"rejected", {question, good}}});
  CHECK(e.prompt.messages == messages{{"user", "q"}});
  CHECK((e.chosen.messages.size() == 2 && e.rejected.messages == messages{{"assistant", "a"}}));
  e = one({{"chosen", {good}}, {"rejected", {bad}}});
  CHECK((e.prompt.messages.empty() && e.prompt.conversational));
}

TEST_CASE("JSONL, arrays and gzip hold the same rows, and remember where they stood") {
  const std::string a = R"({"text": "one"})", b = R"({"text": "two"})";
  for (const std::string& text :
       {a + "\n" + b, a + "\r\n" + b + "\r\n", "\n" + a + "\n\n \t\n" + b + "\n\n", "\xEF\xBB\xBF" + a + "\n" + b}) {
    for (const std::string& stored : {text, packed(text)}) {
      const auto rows = read(stored);
      REQUIRE(rows.size() == 2);
      CHECK((rows[0].completion.text == "one" && rows[1].completion.text == "two"));
      CHECK(rows[0].line == (text[0] == '\n' ? 2 : 1));
      CHECK(rows[1].line == (text[0] == '\n' ? 5 : 2));
    }
  }
  for (const std::string& text : {"[" + a + "," + b + "]", " \n[\n" + a + ",\n\n" + b + "]\n", "\xEF\xBB\xBF[" + a + "," + b + "]"})
    for (const std::string& stored : {text, packed(text)}) {
      const auto rows = read(stored);
      REQUIRE(rows.size() == 2);
      CHECK((rows[1].completion.text == "two" && rows[1].line == 2));
    }
  CHECK(read(packed(a + "\n") + packed(b)).size() == 2);  // as `cat a.gz b.gz` makes it
  CHECK(read(R"({"text": "\u00e9\ud83d\ude00\u0000"})")[0].completion.text == std::string("\xC3\xA9\xF0\x9F\x98\x80\0", 7));
}

TEST_CASE("files that are empty, damaged or no text") {
  refused("", {"is empty"});
  refused(" \n\n", {"is empty"});
  refused("[]", {"has no examples"});
  refused(packed(""), {"is empty"});
  const std::string whole = packed("{\"text\": \"" + std::string(5000, 'x') + "\"}\n");
  refused(whole.substr(0, whole.size() - 5), {"damaged gzip file"});
  refused(whole.substr(0, 15), {"damaged gzip file"});
  refused(whole.substr(0, 2), {"damaged gzip file"});
  std::string wrong = whole;
  wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);  // the checksum
  refused(wrong, {"damaged gzip file"});
  wrong = whole;
  wrong[2] = 7;  // an unknown method
  refused(wrong, {"damaged gzip file"});
  refused("{\"text\": \"a\"}\n{\"text\": \"\xC3\"}\n", {"data.jsonl:2: is not valid UTF-8"});
  refused("{\"text\": \"a\"}\n\n{\"text\": \"\xED\xA0\x80\"}\n", {"data.jsonl:3: is not valid UTF-8"});
  refused("[\n{\"text\": \"\xFF\"}]", {"data.jsonl:2: is not valid UTF-8"});
  refused(packed("{\"text\": \"\xFF\"}"), {"data.jsonl:1: is not valid UTF-8"});
  const fs::path folder = scratch_folder("io_examples_none");
  refuses([&] { read_examples(folder / "none.jsonl"); }, {"none.jsonl: cannot be opened"});
  refuses([&] { read_examples(folder); }, {"io_examples_none: is not a regular file"});
}

TEST_CASE("broken JSON is reported with its line") {
  refused("{\"text\": \"a\"}\n{\"text\": \"b\"\n", {"data.jsonl:2: is not valid JSON"});
  refused("{\"text\": \"a\"} {\"text\": \"b\"}\n", {"data.jsonl:1: is not valid JSON, from byte 15 of the line on"});
  refused("{\"text\": \"a\"}\n{\"text\": \"\\ud800\"}\n", {"data.jsonl:2: is not valid JSON"});
  refused("{\"text\": \"a\"}\n\n{\"n\": 1e999}\n", {"data.jsonl:3: has a number that is too large"});
  refused("{\n\"text\": \"a\"}\n", {"data.jsonl:1: is not valid JSON"});
  refused("[{\"text\": \"a\"},\n{\"text\": }]", {"data.jsonl:2: is not valid JSON"});
  refused("[{\"text\": \"a\"},\n{\"text\": \"b\"}\n", {"is not valid JSON"});
  refused("[{\"text\": 1e999}]", {"number that is too large"});
  refused(std::string(200000, '['), {"is not valid JSON"});
  refused("{\"text\": \"a\"}\n" + std::string(200000, '{'), {"data.jsonl:2: is not valid JSON"});
  refused("[{\"text\": \"a\"}, {\"texts\": \"b\"}]", {"data.jsonl, example 2: has none of the columns", "but texts; see"});
}

TEST_CASE("rows with a column missing, of the wrong type or in mixed forms") {
  refused_row(json::array({1}), {"is not a JSON object"});
  refused_row("text", {"is not a JSON object"});
  refused_row(json::object(), {"has none of the columns"});
  refused_row({{"prompt", "p"}}, {"has none of the columns"});
  refused_row({{"prompt", "p"}, {"chosen", "c"}}, {"the column 'rejected' is missing"});
  refused_row({{"prompt", "p"}, {"rejected", "c"}}, {"the column 'chosen' is missing"});
  refused_row({{"prompt", "p"}, {"chosen", "c"}, {"rejected", nullptr}}, {"the column 'rejected' is missing"});
  refused_row({{"completion", "c"}}, {"the column 'prompt' is missing"});
  refused_row({{"prompt", 3}, {"chosen", "c"}, {"rejected", "r"}}, {"'prompt' is neither a text nor a list of messages"});
  refused_row({{"text", 3}}, {"'text' is neither a text"});
  refused_row({{"prompt", "p"}, {"completion", "c"}, {"label", "yes"}}, {"'label' is neither true nor false"});
  refused_row({{"prompt", "p"}, {"completion", "c"}, {"label", 2}}, {"'label' is neither true nor false"});
  refused_row({{"prompt", "p"}, {"completion", "c"}, {"label", 0.5}}, {"'label' is neither true nor false"});
  const json talk = json::array({said("user", "q")});
  refused_row({{"prompt", talk}, {"chosen", "c"}, {"rejected", "r"}}, {"mixes a text with a conversation"});
  refused_row({{"prompt", "p"}, {"chosen", "c"}, {"rejected", talk}}, {"mixes a text with a conversation"});
  refused_row({{"prompt", "p"}, {"chosen", {said("assistant", "a")}}, {"rejected", {said("assistant", "b")}}},
              {"mixes a text with a conversation"});
  refused_row({{"prompt", "p"}, {"chosen", json::array()}, {"rejected", json::array()}}, {"mixes a text with a conversation"});
  refused_row({{"chosen", "c"}, {"rejected", talk}}, {"mixes a text with a conversation"});
  refused_row({{"prompt", talk}, {"completion", "c"}}, {"mixes a text with a conversation"});
  refused_row({{"messages", {1}}}, {"a message of 'messages' has no 'role'"});
  refused_row({{"messages", {{{"role", "user"}}}}}, {"a message of 'messages' has no 'content'"});
  refused_row({{"messages", {{{"role", "user"}, {"content", nullptr}}}}}, {"a message of 'messages' has no 'content'"});
  refused_row({{"messages", talk}, {"label", true}}, {"the conversation has no answer"});
  refused_row({{"messages", json::array()}, {"label", true}}, {"the conversation has no answer"});
  refused_row({{"messages", json::array({said("user", "q"), said("assistant", "a")})}, {"label", "no"}},
              {"'label' is neither true nor false"});
  refused_row({{"messages", "text"}, {"label", true}}, {"'messages' is not a list of messages"});
  refused_row({{"messages", "text"}}, {"'messages' is not a list of messages"});
  refused_row({{"text", talk}}, {"'text' is not a text"});
  refused_row({{"ids", "1 2"}}, {"'ids' is not a list of token ids"});
  for (const json& id : {json(-1), json(1.0), json("1"), json(1LL << 31), json(18446744073709551615u), json(nullptr)})
    refused_row({{"ids", {1, id}}}, {"'ids' has an entry that is not a token's id"});
}

TEST_CASE("demonstration files in ShareGPT's shapes are read whole") {
  TILT_SKIP_WITHOUT(data_folder() / "dpo_en_demo.json");
  TILT_SKIP_WITHOUT(data_folder() / "kto_en_demo.json");
  const auto pairs = read_examples(data_folder() / "dpo_en_demo.json");
  CHECK(pairs.size() == json::parse(contents(data_folder() / "dpo_en_demo.json")).size());
  for (const example& e : pairs) {
    REQUIRE(e.kind == example_kind::pair);
    CHECK((!e.prompt.messages.empty() && e.chosen.messages.size() == 1 && e.rejected.messages.size() == 1));
    CHECK(e.chosen.messages[0].role == "assistant");
  }
  const auto labelled = read_examples(data_folder() / "kto_en_demo.json");
  const json raw = json::parse(contents(data_folder() / "kto_en_demo.json"));
  REQUIRE(labelled.size() == raw.size());
  for (std::size_t i = 0; i < labelled.size(); ++i) {
    REQUIRE(labelled[i].kind == example_kind::labelled);
    CHECK(labelled[i].completion.messages.size() == 1);
    CHECK(labelled[i].prompt.messages.size() + 1 == raw[i]["messages"].size());
    CHECK(labelled[i].label == raw[i].value("label", raw[i].value("kto_tag", true)));
    CHECK(labelled[i].line == static_cast<index>(i) + 1);
  }
}

}  // namespace tilt::test
