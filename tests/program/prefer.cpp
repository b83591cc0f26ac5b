// SPDX-License-Identifier: Apache-2.0
// tilt prefer: preferences among a model's own answers, and the judges that cannot be used.
#include <cmath>
#include <set>

#include "bad_input.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

workplace preferring(const char* name) {
  workplace place(name);
  write_text(place.folder / "prompts.jsonl", "{\"prompt\": \"Q:\"}\n{\"prompt\": \"R and S\"}\n");
  place.arguments = {
      "prefer",           "--model", place.model, "--data", place.folder / "prompts.jsonl", "--output", place.output, "--num-samples", "3",
      "--max-new-tokens", "6",       "--threads", "1"};
  return place;
}
std::vector<json> preferences(const workplace& place, std::vector<std::string> more) {
  std::filesystem::remove(place.output);
  const outcome result = place.run(std::move(more));
  INFO(result.err);
  REQUIRE(result.status == 0);
  return json_lines(contents(place.output));
}
/// A judge that answers each line by what is written behind its number.
std::string judge_script(const workplace& place, const char* name, const std::string& script) {
  write_text(place.folder / name, script);
  return "sh " + (place.folder / name).string();
}

}  // namespace

TEST_CASE("prefer: the longer answer wins by rule, with scores and where it comes from, tilt dpo reads it") {
  const workplace place = preferring("prefer_rule");
  const std::string replacement = "\xEF\xBF\xBD";  // what ill-formed bytes become, of which a random model writes many
  const auto lines = preferences(place, {"--rule", "keyword", "--keyword", replacement, "--temperature", "0.8", "1.5"});
  for (const json& line : lines) {
    CHECK(line["score_chosen"].get<double>() > line["score_rejected"].get<double>());
    CHECK(line["chosen"] != line["rejected"]);
    CHECK_FALSE(line.contains("win_probability"));
    CHECK(line["provenance"]["model"] == place.model.string());
    CHECK(line["provenance"]["seed"] == 42);
    CHECK(line["provenance"]["scored_by"] == "keyword");
    for (const char* side : {"chosen", "rejected"})
      CHECK((line["provenance"][side]["temperature"] == 0.8 || line["provenance"][side]["temperature"] == 1.5));
  }
  CHECK(preferences(place, {"--rule", "keyword", "--keyword", replacement, "--temperature", "0.8", "1.5"}) == lines);  // the same again
  const fs::path pairs = place.folder / "pairs.jsonl";
  fs::rename(place.output, pairs);
  const outcome trained = tilt_program(place.folder, {"dpo", "--model", place.model, "--train", pairs, "--output", place.folder / "trained",
                                                      "--max-steps", "1", "--batch-size", "1"});
  INFO(trained.err);
  CHECK(trained.status == 0);
}

TEST_CASE("prefer: a judge's scores and choices, and labels") {
  const workplace place = preferring("prefer_judge");
  const std::string scores = judge_script(
      place, "scores.sh", "cat > seen\necho '{\"id\": 1, \"scores\": [0, 2, 1]}'\necho\necho '{\"id\": 0, \"scores\": [1, 1, 0]}'\n");
  const auto lines = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--judge", scores});
    std::filesystem::remove(place.output);
    const outcome result = place.run(more, {.folder = place.folder});
    INFO(result.err);
    REQUIRE(result.status == 0);
    return json_lines(contents(place.output));
  };
  const auto hard = lines({});
  const auto seen = json_lines(contents(place.folder / "seen"));
  REQUIRE(seen.size() == 2);
  CHECK(seen[0]["prompt"] == "Q:");
  REQUIRE(seen[0]["responses"].size() == 3);
  REQUIRE(hard.size() == 5);  // of the first prompt two answers are equal
  CHECK(hard[0]["chosen"] == seen[0]["responses"][0]);
  CHECK(hard[0]["rejected"] == seen[0]["responses"][2]);
  CHECK(hard[1]["chosen"] == seen[0]["responses"][1]);
  CHECK(hard[2]["chosen"] == seen[1]["responses"][1]);
  CHECK(lines({"--pairs", "best-worst"}).size() == 2);
  CHECK(lines({"--pairs", "margin", "--margin", "2"}).size() == 1);
  const auto soft = lines({"--labels", "soft", "--beta", "0.5"});
  CHECK(soft[0]["win_probability"].get<double>() == Approx(1 / (1 + std::exp(-0.5))));
  CHECK(lines({"--labels", "sampled"}) == lines({"--labels", "sampled"}));
  const std::string choices =
      judge_script(place, "choices.sh", "echo '{\"id\": 0, \"choice\": 2}'\necho '{\"id\": 1, \"choice\": 0}'\n");  // it reads nothing
  const auto chosen = preferences(place, {"--judge", choices});
  REQUIRE(chosen.size() == 4);
  CHECK(chosen[0]["chosen"] == seen[0]["responses"][2]);
  CHECK(chosen[2]["chosen"] == seen[1]["responses"][0]);
}

TEST_CASE("prefer: a reward model's scores are those of tilt score, soft labels follow them, and tilt dpo reads these") {
  const workplace place = preferring("prefer_reward");
  const fs::path judge = place.folder / "judge", pairs = place.folder / "pairs.jsonl";
  const outcome made = tilt_program(place.folder, {"reward", "--model", place.model, "--train", place.train, "--output", judge,
                                                   "--max-steps", "3", "--batch-size", "2", "--learning-rate", "1e-2", "--threads", "1"});
  INFO(made.err);
  REQUIRE(made.status == 0);
  const auto lines = preferences(place, {"--reward-model", judge, "--labels", "soft", "--beta", "2"});
  REQUIRE(lines.size() >= 2);
  fs::rename(place.output, pairs);
  const auto scored = json_lines(tilt_program(place.folder, {"score", "--reward-model", judge, "--data", pairs, "--threads", "1"}).out);
  REQUIRE(scored.size() == lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const double chosen = lines[i]["score_chosen"], rejected = lines[i]["score_rejected"];
    CHECK(chosen == scored[i]["chosen"]["reward"].get<double>());
    CHECK(rejected == scored[i]["rejected"]["reward"].get<double>());
    CHECK(std::abs(lines[i]["win_probability"].get<double>() - 1 / (1 + std::exp(2 * (rejected - chosen)))) < 1e-12);
  }
  const outcome trained = tilt_program(place.folder, {"dpo", "--loss-type", "sppo", "--model", place.model, "--train", pairs, "--output",
                                                      place.folder / "trained", "--max-steps", "1", "--batch-size", "1", "--threads", "1"});
  INFO(trained.err);
  CHECK(trained.status == 0);
}

TEST_CASE("prefer: a judge that cannot be used is refused in one sentence") {
  const workplace place = preferring("prefer_bad_judge");
  const auto with = [&](const char* script, std::initializer_list<const char*> words) {
    const outcome result = place.run({"--judge", judge_script(place, "judge.sh", script)});
    INFO(result.err);
    CHECK(result.status == 2);
    const std::size_t last = result.err.rfind("tilt: ");  // behind the progress
    REQUIRE(last != std::string::npos);
    const std::string sentence = result.err.substr(last);
    CHECK(std::count(sentence.begin(), sentence.end(), '\n') == 1);
    CHECK(sentence.find("--judge: ") != std::string::npos);
    CHECK(sentence.find("; ") != std::string::npos);
    for (const char* word : words) {
      INFO("looking for " << word);
      CHECK(sentence.find(word) != std::string::npos);
    }
    writes_nothing(place);
  };
  with("exit 3\n", {"status 3"});
  with("kill -9 $$\n", {"status 137"});  // as the shell that runs it says
  with("cat > /dev/null\n", {"0 of 2"});
  with("echo '{\"id\": 0, \"scores\": [1, 2, 3]}'\n", {"1 of 2"});
  with("echo nonsense\n", {"line 1", "no JSON object"});
  with("echo '{\"id\": 7, \"choice\": 0}'\n", {"id 7"});
  with("echo '{\"id\": 0, \"choice\": 3}'\n", {"line 1", "choice"});
  with("echo '{\"id\": 0, \"scores\": [1, 2]}'\n", {"3 numbers"});
  with("echo '{\"id\": 0, \"scores\": [1, 2, \"x\"]}'\n", {"3 numbers"});
  with("echo '{\"id\": 0, \"choice\": 1}'\necho '{\"id\": 0, \"choice\": 1}'\n", {"line 2", "again"});
}

TEST_CASE("prefer: options that cannot be used") {
  const workplace place = preferring("prefer_options");
  refused(place, {"--judge", "--rule", "--reward-model"});
  refused(place, {"2 are given"}, {"--rule", "length", "--judge", "cat"});
  refused(place, {"--keyword"}, {"--rule", "keyword"});
  refused(place, {"--keyword"}, {"--rule", "length", "--keyword", "x"});
  refused(place, {"--margin", "--pairs margin"}, {"--rule", "length", "--margin", "1"});
  refused(place, {"--beta", "hard"}, {"--rule", "length", "--beta", "1"});
  refused(place, {"--beta", "positive"}, {"--rule", "length", "--labels", "soft", "--beta", "0"});
  refused(place, {"--temperature", "twice"}, {"--rule", "length", "--temperature", "1", "1"});
  refused(place, {"--rule", "length"}, {"--rule", "lenght"});
}
