// SPDX-License-Identifier: Apache-2.0
// Every part of a tokenizer.json against the tokenizers library (golden/make_tokenizers.py); what cannot be read is refused by name.
#include <tilt/io/tokenizer.hpp>

#include <thread>

#include "files.hpp"

using nlohmann::json;
using tilt::token;

namespace {

const json& golden() {
  static const json all = tilt::read_json(tilt::test::source_folder() / "tests/io/golden/tokenizers.json");
  return all;
}

json assembled(const json& c) {
  json whole = c["parts"];
  whole["model"] = golden()["models"][c["model"].get<std::string>()];
  whole["model"].update(c["options"]);
  return whole;
}

/// A small tokenizer of letters and a few merges; `change` spoils it.
template <class Change> tilt::tokenizer small(const Change& change) {
  json j = {{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"abab", 3}, {"c", 4}, {"<unk>", 5}}}, {"merges", {"a b", "ab ab"}}, {"unk_token", "<unk>"}}},
            {"added_tokens", json::array()}};
  change(j);
  return tilt::tokenizer(j, "tokenizer.json");
}
const auto as_it_is = [](json&) {};

}  // namespace

TEST_CASE("every part of a tokenizer.json does what the tokenizers library does") {
  const auto texts = golden()["texts"].get<std::vector<std::string>>();
  for (const json& c : golden()["cases"]) {
    INFO(c["name"]);
    const tilt::tokenizer t(assembled(c), "golden");
    std::size_t scrambled = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      INFO(json(texts[i]).dump(-1, ' ', true));
      auto plain = c["plain"][i].get<std::vector<token>>();
      CHECK(t.encode(texts[i], false) == plain);
      CHECK(t.decode(plain) == c["decoded"][i].get<std::string>());
      const std::vector<token> whole = t.encode(texts[i]);
      CHECK(static_cast<tilt::index>(whole.size() - plain.size()) == c["added"].get<tilt::index>());
      if (!whole.empty()) CHECK(json({whole.front(), whole.back()}) == c["ends"][i]);
      CHECK(t.decode(whole, true) == c["skipped"][i].get<std::string>());
      if (plain.size() <= 3) continue;
      std::reverse(plain.begin(), plain.end());
      CHECK(t.decode(plain) == c["scrambled"][scrambled++].get<std::string>());
    }
  }
}

TEST_CASE("merges go by rank, leftmost first, on pieces short and long") {
  const tilt::tokenizer t = small(as_it_is);
  CHECK(t.encode("abab") == std::vector<token>{3});
  CHECK(t.encode("ababab") == std::vector<token>{3, 2});
  CHECK(t.encode("aab") == std::vector<token>{0, 2});
  std::string text;
  std::vector<token> wanted;
  for (int i = 0; i < 20'000; ++i) text += "abab", wanted.push_back(3);
  CHECK(t.encode(text) == wanted);
  CHECK(t.encode("") == std::vector<token>{});
}

TEST_CASE("merges are read as pairs and as strings with a space") {
  const tilt::tokenizer t = small([](json& j) { j["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"ab", "ab"})}); });
  CHECK(t.encode("ababc") == std::vector<token>{3, 4});
}

TEST_CASE("unknown characters become the unknown token, one each or one a run, or nothing") {
  CHECK(small(as_it_is).encode("axyb") == std::vector<token>{0, 5, 5, 1});
  CHECK(small([](json& j) { j["model"]["fuse_unk"] = true; }).encode("axyb") == std::vector<token>{0, 5, 1});
  CHECK(small([](json& j) { j["model"].erase("unk_token"); }).encode("axyb") == std::vector<token>{2});
}

TEST_CASE("ids and texts of tokens, ids without a token spell nothing") {
  const tilt::tokenizer t = small([](json& j) { j["added_tokens"] = {{{"id", 9}, {"content", "<end>"}, {"special", true}}}; });
  CHECK(t.size() == 10);
  CHECK(t.token_to_id("abab") == 3);
  CHECK(t.token_to_id("<end>") == 9);
  CHECK(t.token_to_id("none") == -1);
  CHECK(t.id_to_token(9) == "<end>");
  CHECK(t.id_to_token(7).empty());
  CHECK(t.id_to_token(-1).empty());
  CHECK(t.is_special(9));
  CHECK_FALSE(t.is_special(3));
  CHECK(t.decode(std::vector<token>{3, 7, 100000, -5, 4}) == t.decode(std::vector<token>{3, 4}));
  CHECK(t.encode("ab<end>") == std::vector<token>{2, 9});
}

TEST_CASE("several threads may use one tokenizer") {
  const json& c = golden()["cases"][3];
  const tilt::tokenizer t(assembled(c), "golden");
  const auto texts = golden()["texts"].get<std::vector<std::string>>();
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (std::size_t k = 0; k < right.size(); ++k)
    threads.emplace_back([&, k] {
      for (int round = 0; round < 20; ++round)
        for (std::size_t i = 0; i < texts.size(); ++i) right[k] += t.encode(texts[i], false) == c["plain"][i].get<std::vector<token>>();
    });
  for (std::thread& thread : threads) thread.join();
  for (const int r : right) CHECK(r == 20 * static_cast<int>(texts.size()));
}

TEST_CASE("a tokenizer.json with a part that is not supported is refused by its name") {
  using tilt::test::sentence;
  const auto refused = [](const auto& change) { return sentence([&] { small(change); }); };
  CHECK(refused([](json& j) { j["model"]["type"] = "Unigram"; }) == "tokenizer.json: the tokenizer model 'Unigram' is not supported; BPE is");
  CHECK(refused([](json& j) { j["normalizer"] = {{"type", "Precompiled"}}; }).starts_with("tokenizer.json: the normalizer 'Precompiled' is not supported; "));
  CHECK(refused([](json& j) { j["pre_tokenizer"] = {{"type", "UnicodeScripts"}}; }).starts_with("tokenizer.json: the pre_tokenizer 'UnicodeScripts' is not supported; "));
  CHECK(refused([](json& j) { j["decoder"] = {{"type", "CTC"}}; }).starts_with("tokenizer.json: the decoder 'CTC' is not supported; "));
  CHECK(refused([](json& j) { j["post_processor"] = {{"type", "Other"}}; }).starts_with("tokenizer.json: the post_processor 'Other' is not supported; "));
  CHECK(refused([](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }) == "tokenizer.json: the BPE option 'end_of_word_suffix' is not supported");
  CHECK(refused([](json& j) { j["model"]["dropout"] = 0.1; }) == "tokenizer.json: the BPE option 'dropout' is not supported; set it to null");
}

TEST_CASE("a tokenizer.json that contradicts itself is refused") {
  using tilt::test::sentence;
  const auto refused = [](const auto& change) { return sentence([&] { small(change); }); };
  CHECK(refused([](json& j) { j["model"]["merges"] = {"a x"}; }) == "tokenizer.json: the merge of 'a' and 'x' uses tokens outside the vocabulary");
  CHECK(refused([](json& j) { j["model"]["merges"] = {"ab"}; }) == "tokenizer.json: the merge 'ab' is not a pair");
  CHECK(refused([](json& j) { j["model"]["merges"] = {"a b c"}; }) == "tokenizer.json: the merge 'a b c' is not a pair");
  CHECK(refused([](json& j) { j["model"]["vocab"]["a"] = -1; }) == "tokenizer.json: the token 'a' has the id -1; ids are whole numbers from 0 to 16777215");
  CHECK(refused([](json& j) { j["model"]["vocab"]["a"] = 1.5; }).find("has the id 1.5;") != std::string::npos);
  CHECK(refused([](json& j) { j["model"]["vocab"]["a"] = 1000000000000; }).find("has the id 1000000000000;") != std::string::npos);
  CHECK(refused([](json& j) { j["model"]["unk_token"] = "none"; }) == "tokenizer.json: the unk_token is not in the vocabulary");
  CHECK(refused([](json& j) { j.erase("model"); }) == "tokenizer.json: is not a tokenizer.json that this reader understands; write it again with the tokenizers library");
  CHECK(refused([](json& j) { j["pre_tokenizer"] = {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(a"}}}}; }).find("the regular expression '(a' is not supported") != std::string::npos);
  CHECK(refused([](json& j) { j["pre_tokenizer"] = {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "[a-z&&[^b]]"}}}}; }).find("uses an intersection of classes") != std::string::npos);
}

TEST_CASE("a text that is not UTF-8 is refused") {
  const tilt::tokenizer t = small(as_it_is);
  for (const char* const bad : {"ab\xFF", "ab\xC0\x80", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xE2\x82"})
    CHECK(tilt::test::sentence([&] { t.encode(bad); }) == "the text is not valid UTF-8 at byte 2; convert it to UTF-8");
}
