// SPDX-License-Identifier: Apache-2.0
// Text that grows token by token is the text of all tokens, whatever the decoder; and it ends before a stop string.
#include <tilt/io/text_stream.hpp>

#include <random>

#include "files.hpp"

using nlohmann::json;
using tilt::text_stream;
using tilt::token;

namespace {

std::vector<tilt::tokenizer> all_tokenizers() {
  const json golden = tilt::read_json(tilt::test::source_folder() / "tests/io/golden/tokenizers.json");
  std::vector<tilt::tokenizer> all;
  for (const json& c : golden["cases"]) {
    json whole = c["parts"];
    whole["model"] = golden["models"][c["model"].get<std::string>()];
    whole["model"].update(c["options"]);
    all.emplace_back(whole, c["name"].get<std::string>());
  }
  return all;
}

/// What the sample adds to its prompt's text, by decoding both whole.
std::string whole_text(const tilt::tokenizer& words, const std::vector<token>& prompt, const std::vector<token>& sample) {
  std::vector<token> both = prompt;
  both.insert(both.end(), sample.begin(), sample.end());
  const std::string begun = words.decode(prompt, true), whole = words.decode(both, true);
  return whole.starts_with(begun) ? whole.substr(begun.size()) : words.decode(sample, true);
}

/// The text by pieces; `pieces` takes those that came before the end.
std::string streamed(text_stream& stream, const std::vector<token>& sample, std::size_t& pieces, std::size_t* used = nullptr) {
  std::string text;
  std::size_t count = 0;
  for (const token t : sample) {
    const std::string_view piece = stream.append(t);
    if (!piece.empty()) ++pieces;
    text += piece;
    ++count;
    if (stream.stopped()) break;
  }
  if (used != nullptr) *used = count;
  text += stream.finish();
  CHECK(stream.text() == text);
  return text;
}

/// Byte tokenizers: "a" is token 97, and so on; <s> 256.
tilt::tokenizer letters() {
  json vocabulary;
  for (char c = 'a'; c <= 'z'; ++c) vocabulary[std::string(1, c)] = c;
  return tilt::tokenizer(json{{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", json::array()}}},
                              {"added_tokens", {{{"id", 256}, {"content", "<s>"}, {"special", true}}}},
                              {"decoder", {{"type", "Fuse"}}}},
                         "letters");
}
std::vector<token> ids(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

TEST_CASE("text by pieces is the text of the whole, for every decoder and any tokens") {
  std::mt19937 engine(1);
  std::size_t pieces = 0, texts = 0;
  for (const tilt::tokenizer& words : all_tokenizers()) {
    std::uniform_int_distribution<token> any(0, static_cast<token>(words.size()) - 1);
    for (int trial = 0; trial < 60; ++trial) {
      std::vector<token> prompt(engine() % 6), sample(1 + engine() % 24);
      for (token& t : prompt) t = any(engine);
      for (token& t : sample) t = any(engine);
      text_stream stream(words, prompt);
      INFO(json(prompt).dump() << " then " << json(sample).dump());
      CHECK(streamed(stream, sample, pieces) == whole_text(words, prompt, sample));
      ++texts;
    }
    for (const char* const text : {"Once upon a time, there was a girl.", " caf\xc3\xa9 \xf0\x9f\x99\x82\n\n end",
                                   "na\xc3\xafve \xe2\x82\xac"
                                   "5"}) {
      const std::vector<token> all = words.encode(text);
      for (std::size_t cut = 0; cut <= all.size(); ++cut) {
        const auto middle = all.begin() + static_cast<std::ptrdiff_t>(cut);
        const std::vector<token> prompt(all.begin(), middle), sample(middle, all.end());
        text_stream stream(words, prompt);
        CHECK(streamed(stream, sample, pieces) == whole_text(words, prompt, sample));
      }
    }
  }
  CHECK(pieces > texts);  // and it comes by pieces
}

TEST_CASE("a text ends before the first stop string, wherever tokens end") {
  const tilt::tokenizer words = letters();
  std::size_t pieces = 0, used = 0;
  const auto run = [&](std::vector<std::string> stops, const std::string& text) {
    text_stream stream(words, ids("xy"), std::move(stops));
    const std::string got = streamed(stream, ids(text), pieces, &used);
    CHECK(stream.stopped() == (got.size() < text.size()));
    return got;
  };
  CHECK(run({"end"}, "theendofit") == "the");
  CHECK(used == 6);  // no token more than the stop string takes
  CHECK(run({"end", "he"}, "theend") == "t");
  CHECK(run({"end"}, "enenend") == "enen");
  CHECK(run({"end"}, "thee") == "thee");     // what may have become one is text at the end
  CHECK(run({"yt"}, "theend") == "theend");  // the prompt is no part of it
  CHECK(run({}, "abc") == "abc");
  CHECK(run({"a"}, "abc").empty());
  tilt::test::refuses([&] { text_stream(words, {}, {""}); }, {"stop", "empty"});
}

TEST_CASE("a piece that may begin a stop string waits") {
  const tilt::tokenizer words = letters();
  text_stream stream(words, {}, {"nono"});
  std::vector<std::string> pieces;
  for (const token t : ids("anonet")) pieces.emplace_back(stream.append(t));
  CHECK(pieces == std::vector<std::string>{"a", "", "", "", "none", "t"});
}

TEST_CASE("a stop string of bytes is met with its last byte") {
  json vocabulary{{"a", 0}};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    vocabulary[name] = byte + 1;
  }
  const tilt::tokenizer words(json{{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", json::array()}, {"byte_fallback", true}}},
                                   {"added_tokens", json::array()},
                                   {"decoder", {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}}}},
                              "bytes");
  text_stream stream(words, {}, {"\n"});
  CHECK(stream.append(0) == "a");
  CHECK(stream.append('\n' + 1).empty());
  CHECK(stream.stopped());
  CHECK(stream.text() == "a");
}
