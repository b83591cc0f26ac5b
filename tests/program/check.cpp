// SPDX-License-Identifier: Apache-2.0
// tilt check: what it reports, what --fix keeps, and what it refuses.
#include "bad_input.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

/// Six rows, of which the second is white space, the fourth no JSON and the sixth the fifth again; the last has no end of line.
struct checked_place : workplace {
  explicit checked_place(const char* name) : workplace(name), report(folder / "report.json"), cleaned(folder / "cleaned.jsonl") {
    write_text(train, lines[0] + "\n" + lines[1] + "\n" + lines[2] + "\n" + lines[3] + "\n" + lines[4] + "\n" + lines[5]);
    arguments = {"check", "--data", train};
  }
  const std::string lines[6] = {R"({"prompt": "What is red?",  "chosen": "A rose is red.", "rejected": "Grass."})",
                                R"({"prompt": "What is blue?", "chosen": " ", "rejected": "The sky is blue."})",
                                R"({"chosen": "The sun is it.", "rejected": "The moon.", "prompt": "What is yellow?"})",
                                R"({"prompt": "What is black?", "chosen": )",
                                R"({"prompt": "What is white?", "chosen": "Snow is white.", "rejected": "Soot is it."})",
                                R"({"prompt": "What is white?", "chosen": "Snow is white.", "rejected": "Soot is it."})"};
  fs::path report, cleaned;
};

std::vector<long> lines_of(const json& report, const std::string& check) {
  std::vector<long> lines;
  for (const json& finding : report["findings"])
    if (finding["check"] == check) lines.push_back(finding["line"]);
  return lines;
}

}  // namespace

TEST_CASE("check: each fault at its line, and --fix keeps the other rows byte for byte") {
  const checked_place place("check");
  const outcome result = place.run({"--output", place.report, "--fix", place.cleaned});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const json report = json::parse(contents(place.report));
  CHECK(report["rows"] == 6);
  CHECK(lines_of(report, "empty") == std::vector<long>{2});
  CHECK(lines_of(report, "unreadable") == std::vector<long>{4});
  CHECK(lines_of(report, "repeated_pair") == std::vector<long>{6});
  CHECK(lines_of(report, "equal").empty());
  CHECK(contents(place.cleaned) == place.lines[0] + "\n" + place.lines[2] + "\n" + place.lines[4] + "\n");
  CHECK(report["fix"]["kept"] == 3);
  std::vector<long> dropped;
  for (const json& line : report["fix"]["dropped"]) dropped.push_back(line["line"]);
  CHECK(dropped == std::vector<long>{2, 4, 6});
  for (const char* word : {"6 rows", "empty", "unreadable", "repeated_pair", "3 rows kept, 3 dropped"}) {
    INFO(word);
    CHECK(result.out.find(word) != std::string::npos);
  }
}

TEST_CASE("check: what was cleaned has nothing more to clean, and trains") {
  const checked_place place("check_again");
  REQUIRE(place.run({"--fix", place.cleaned}).status == 0);
  const outcome again = tilt_program(place.folder, {"check", "--data", place.cleaned, "--strict"});
  CHECK(again.status == 0);
  CHECK(again.out.find("3 rows, 0 findings") != std::string::npos);
  CHECK(tilt_program(place.folder, {"dpo", "--model", place.model, "--train", place.cleaned, "--output", place.output, "--max-steps", "1",
                                    "--batch-size", "2", "--threads", "1"})
            .status == 0);
}

TEST_CASE("check: --strict, --disable and --drop do what they say") {
  const checked_place place("check_options");
  CHECK(place.run({"--strict"}).status == 1);
  CHECK(place.run({"--strict", "--disable", "empty", "unreadable"}).status == 0);
  REQUIRE(place.run({"--fix", place.cleaned, "--drop", "empty", "unreadable"}).status == 0);
  CHECK(contents(place.cleaned) == place.lines[0] + "\n" + place.lines[2] + "\n" + place.lines[4] + "\n" + place.lines[5] + "\n");
}

TEST_CASE("check: with a tokenizer, what is too long and what merges") {
  const checked_place place("check_tokens");
  write_text(place.train, place.lines[0] + "\n" + R"({"prompt": "A", "chosen": "B.", "rejected": "C."})" + "\n");
  const outcome result = place.run({"--model", place.model, "--max-length", "12", "--output", place.report});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const json report = json::parse(contents(place.report));
  CHECK(lines_of(report, "too_long") == std::vector<long>{1});
  CHECK(lines_of(report, "merge").empty());  // its tokens are bytes
}

TEST_CASE("check: what is wrong is refused by name, and nothing is written") {
  const checked_place place("bad_check");
  const auto no = [&](std::initializer_list<const char*> words, std::vector<std::string> more) {
    more.insert(more.end(), {"--output", place.report});
    refuses(place.run(more), words);
    CHECK_FALSE(fs::exists(place.report));
    CHECK_FALSE(fs::exists(place.cleaned));
  };
  no({"--max-similarity", "2"}, {"--max-similarity", "2"});
  no({"--examples", "-1"}, {"--examples=-1"});
  no({"--drop", "--fix"}, {"--drop", "empty"});
  no({"--drop", "--disable"}, {"--fix", place.cleaned, "--drop", "empty", "--disable", "empty"});
  no({"--drop", "--model"}, {"--fix", place.cleaned, "--drop", "merge"});
  no({"--max-length", "--model"}, {"--max-length", "9"});
  no({"--fix", "the data itself"}, {"--fix", place.train});
  no({"--fix", "place of --output"}, {"--fix", place.report});
  no({"--fix", ".gz"}, {"--fix", place.folder / "cleaned.jsonl.gz"});
  no({"--disable", "emty", "empty"}, {"--disable", "emty"});
  no({"phrases.txt", "no phrases"}, {"--refusals", [&] {
                                       write_text(place.folder / "phrases.txt", "# none\n");
                                       return (place.folder / "phrases.txt").string();
                                     }()});
  no({"not_there.jsonl"}, {"--config", place.folder / "not_there.jsonl"});
  write_text(place.train, place.lines[1] + "\n" + place.lines[3] + "\n");
  no({"--fix", "nothing of"}, {"--fix", place.cleaned});
}
