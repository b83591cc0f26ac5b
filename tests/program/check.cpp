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

/// A reward model of pairs 0 to 23, and pairs 100 to 139, of which some have their answers the wrong way round.
struct doubted_place : workplace {
  explicit doubted_place(const char* name) : workplace(name), judge(folder / "judge"), report(folder / "report.json") {
    write_text(folder / "learnt.jsonl", tiny_pairs(24));
    made = tilt_program(folder, {"reward", "--model", model, "--train", folder / "learnt.jsonl", "--output", judge, "--max-steps", "20",
                                 "--batch-size", "8", "--learning-rate", "1e-2", "--threads", "1"});
    std::string text;
    for (json& pair : json_lines(tiny_pairs(40, 100))) {
      lines.push_back(pair.dump());
      const auto line = static_cast<long>(lines.size());
      if (std::count(flipped.begin(), flipped.end(), line) > 0) std::swap(pair["chosen"], pair["rejected"]), lines.back() = pair.dump();
      text += lines.back();
      text += '\n';
    }
    write_text(train, text);
    arguments = {"check", "--data", train, "--reward-model", judge, "--threads", "1", "--output", report};
  }
  const std::vector<long> flipped{3, 11, 24, 25, 38};
  std::vector<std::string> lines;
  fs::path judge, report;
  outcome made;
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

TEST_CASE("check: what merges at the prompt's end is told, and is what training sees") {
  const checked_place place("check_merge");
  json tokenizer = json::parse(contents(place.model / "tokenizer.json"));
  json& vocabulary = tokenizer["model"]["vocab"];
  for (auto entry = vocabulary.begin(); entry != vocabulary.end(); ++entry)
    if (*entry == 255) {  // a byte that no text has
      vocabulary.erase(entry);
      break;
    }
  vocabulary["ob"] = 255;
  tokenizer["model"]["merges"] = json::array({"o b"});
  write_text(place.model / "tokenizer.json", tokenizer.dump());
  const auto line = [](const char* prompt, const char* chosen, const char* rejected) {
    return json{{"prompt", prompt}, {"chosen", chosen}, {"rejected", rejected}}.dump().append("\n");
  };
  write_text(place.train, line("foo", "bar", "baz") + line("foo", " bar", " baz") + line("foo", "car", "bar") + line("fool", "bar", "ob"));
  const outcome result = place.run({"--model", place.model, "--output", place.report});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(lines_of(json::parse(contents(place.report)), "merge") == std::vector<long>{1, 3});
  const auto scored =
      json_lines(tilt_program(place.folder, {"score", "--model", place.model, "--data", place.train, "--threads", "1"}).out);
  REQUIRE(scored.size() == 4);
  CHECK(scored[0]["chosen"]["ids"] == json{255, 'a', 'r', 257});
  CHECK(scored[2]["chosen"]["ids"] == json{'o', 'c', 'a', 'r', 257});  // the other answer's merge takes the prompt's end from this one too
  CHECK(scored[3]["chosen"]["ids"] == json{'b', 'a', 'r', 257});
}

TEST_CASE("check --reward-model: the flipped labels are doubted, the others are not, and --fix drops them only if asked") {
  const doubted_place place("check_labels");
  INFO(place.made.err);
  REQUIRE(place.made.status == 0);
  const fs::path cleaned = place.folder / "cleaned.jsonl";
  const outcome result = place.run({"--fix", cleaned, "--drop", "label_noise"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const json report = json::parse(contents(place.report)), labels = report["labels"];
  CHECK(lines_of(report, "label_noise") == place.flipped);
  CHECK(labels["preferences"] == 40);
  CHECK(labels["not_scored"] == 0);
  CHECK(labels["doubted"] == 5);
  CHECK(labels["agreed"]["value"] == 0.875);
  CHECK(labels["flipped"]["value"] == 0.125);
  for (const char* words : {"it agrees with 87.5 %", "of 40 preferences", "doubts 5", "flipped", "label_noise"}) {
    INFO(words);
    CHECK(result.out.find(words) != std::string::npos);
  }
  std::string sound;
  for (std::size_t i = 0; i < place.lines.size(); ++i)
    if (std::count(place.flipped.begin(), place.flipped.end(), static_cast<long>(i) + 1) == 0) sound += place.lines[i] + "\n";
  CHECK(contents(cleaned) == sound);
  CHECK(report["fix"]["kept"] == 35);
  REQUIRE(place.run({"--fix", cleaned}).status == 0);
  CHECK(contents(cleaned) == contents(place.train));  // by default nothing is left out for what a model says
  REQUIRE(place.run({"--min-win-probability", "0"}).status == 0);
  CHECK(lines_of(json::parse(contents(place.report)), "label_noise").empty());

  std::string longer(200, 'x');  // than the model's 96 positions
  write_text(place.train, contents(place.train) + json{{"prompt", "Q:"}, {"chosen", longer}, {"rejected", " no"}}.dump() + "\n");
  REQUIRE(place.run().status == 0);
  CHECK(json::parse(contents(place.report))["labels"]["not_scored"] == 1);
}

TEST_CASE("check --reward-model: what is wrong is refused by name") {
  const doubted_place place("bad_check_labels");
  REQUIRE(place.made.status == 0);
  const auto no = [&](std::initializer_list<const char*> words, std::vector<std::string> more) {
    refuses(place.run(std::move(more)), words);
    CHECK_FALSE(fs::exists(place.report));
  };
  no({"--min-win-probability", "0.6", "0.5"}, {"--min-win-probability", "0.6"});
  no({"--max-tokens", "0"}, {"--max-tokens", "0"});
  no({"--reward-model", "--disable"}, {"--disable", "label_noise"});
  workplace other = place;
  other.leave_out("--reward-model");
  other.leave_out("--threads");
  const auto without = [&](std::initializer_list<const char*> words, std::vector<std::string> more) {
    refuses(other.run(std::move(more)), words);
    CHECK_FALSE(fs::exists(place.report));
  };
  without({"--reward-model", "is no reward model"}, {"--reward-model", place.model});
  without({"not_there"}, {"--reward-model", place.folder / "not_there"});
  without({"--min-win-probability", "--reward-model"}, {"--min-win-probability", "0.2"});
  without({"--threads", "--reward-model"}, {"--threads", "1"});
  without({"--drop", "--reward-model"}, {"--fix", place.folder / "cleaned.jsonl", "--drop", "label_noise"});
  write_text(place.train, "{\"prompt\": \"Q:\", \"completion\": \" yes\"}\n");
  no({"--reward-model", "no pair or ranking"}, {});
  write_text(place.train, R"({"prompt": [{"role": "user", "content": "Q"}], "chosen": [{"role": "assistant", "content": "A"}],)"
                          R"( "rejected": [{"role": "assistant", "content": "B"}]})");
  no({"train.jsonl:1", "template"}, {});
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
  const outcome nothing = tilt_program(place.folder, {"check", "--data", place.train, "--output", place.report, "--fix", place.cleaned});
  CHECK(nothing.status == 2);
  CHECK(nothing.err.find("tilt: --fix: nothing of ") == 0);
  CHECK(std::count(nothing.err.begin(), nothing.err.end(), '\n') == 1);
  CHECK(nothing.out.find("train.jsonl") != std::string::npos);  // what accuses them is told all the same
  CHECK(json::parse(contents(place.report))["findings"].size() > 0);
  CHECK_FALSE(fs::exists(place.cleaned));
}
