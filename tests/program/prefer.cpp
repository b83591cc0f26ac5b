// SPDX-License-Identifier: Apache-2.0
// tilt prefer: preferences among a model's own answers, and the judges that cannot be used.
#include <cmath>
#include <cstdlib>
#include <set>

#include "bad_input.hpp"
#include "killing.hpp"

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

TEST_CASE("prefer: a signal while the judge works is heeded when that ends, whatever it ends with") {
  const workplace place = preferring("prefer_judge_interrupted");
  const fs::path begun = place.folder / "begun";
  for (const char* end : {"0", "1"}) {
    const std::string judge = judge_script(place, "slow.sh", "echo yes > '" + begun.string() + "'\nsleep 1\nexit " + end + "\n");
    outcome stopped;
    until_met([&] {
      fs::remove(begun);
      fs::remove_all(place.output);
      stopped = place.run({"--judge", judge}, {.signal = SIGTERM, .signal_when = begun});
      return stopped.err.find("interrupted") != std::string::npos || stopped.status == -1;
    });
    INFO(stopped.err);
    CHECK(stopped.status == 130);
    CHECK(stopped.err.find("tilt: interrupted; ") != std::string::npos);
    CHECK_FALSE(fs::exists(place.output));
  }
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
  write_text(place.folder / "prompts.jsonl", "Q:\n" + std::string(100, 'p') + "\n");
  refused(place, {"prompts.jsonl:2: the prompt has 101 tokens, more than the model's 96 positions; cut prompts with --max-prompt-length"},
          {"--rule", "length"});
}

TEST_CASE("prefer: the judge of examples/judge is believed, by scores and by choice") {
  const workplace place = preferring("prefer_example_judge");
  const std::string judge = TILT_JUDGE;
  write_text(place.folder / "questions",
             "{\"id\": 0, \"prompt\": \"What is a fox?\", \"responses\": [\"what what what\", \"A fox is a red animal.\", \"\"]}\n"
             "{\"id\": 1, \"prompt\": [{\"role\": \"user\", \"content\": \"a fox\"}], \"responses\": [\"a fox\", \"a fox.\"]}\n");
  const std::string answered = (place.folder / "answers").string(), asked = (place.folder / "questions").string();
  REQUIRE(std::system((judge + " < " + asked + " > " + answered).c_str()) == 0);
  const auto scores = json_lines(contents(answered));
  REQUIRE(scores.size() == 2);
  // words of the prompt that it has + runs of two words that are new + an end
  CHECK(scores[0]["scores"][0].get<double>() == Approx(1.0 / 4 + 1.0 / 2 + 0));
  CHECK(scores[0]["scores"][1].get<double>() == Approx(3.0 / 4 + 1 + 1));
  CHECK(scores[0]["scores"][2] == 0);
  CHECK(scores[1] == json{{"id", 1}, {"scores", {2.0, 3.0}}});
  REQUIRE(std::system((judge + " --choice < " + asked + " > " + answered).c_str()) == 0);
  CHECK(json_lines(contents(answered)) == std::vector<json>{{{"id", 0}, {"choice", 1}}, {{"id", 1}, {"choice", 1}}});
  CHECK(std::system((judge + " < " + place.train.string() + " > " + answered + " 2> /dev/null").c_str()) != 0);  // no questions
  for (const json& line : preferences(place, {"--judge", judge}))
    CHECK(line["score_chosen"].get<double>() > line["score_rejected"].get<double>());
  for (const json& line : preferences(place, {"--judge", judge + " --choice"})) {
    CHECK(line["score_chosen"] == 1);
    CHECK(line["score_rejected"] == 0);
  }
}

namespace {

/// The tiny model with the template of ChatML.
workplace conversing(const char* name) {
  workplace place = preferring(name);
  json config = json::parse(contents(place.model / "tokenizer_config.json"));
  config["chat_template"] =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  write_text(place.model / "tokenizer_config.json", config.dump());
  return place;
}
const std::vector<std::string> many_bytes{"--rule", "keyword", "--keyword", "\xEF\xBF\xBD"};

}  // namespace

TEST_CASE("prefer: prompts of messages give conversations, a judge sees the messages, and tilt dpo reads what is written") {
  const workplace place = conversing("prefer_messages");
  const json system{{"role", "system"}, {"content", "S"}}, user{{"role", "user"}, {"content", "Hi"}};
  write_text(place.folder / "prompts.jsonl", json{{"prompt", {system, user}}}.dump() + "\n{\"prompt\": \"a text\"}\n");
  const std::string judge = judge_script(place, "judge.sh",
                                         "cat > " + (place.folder / "seen").string() +
                                             "\necho '{\"id\": 0, \"scores\": [0, 1, 2]}'\necho '{\"id\": 1, \"scores\": [2, 1, 0]}'\n");
  const auto lines = preferences(place, {"--judge", judge});
  REQUIRE(lines.size() == 6);
  const auto seen = json_lines(contents(place.folder / "seen"));
  CHECK(seen[0]["prompt"] == json{system, user});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(lines[i]["prompt"] == json{system, user});
    for (const char* side : {"chosen", "rejected"}) {
      REQUIRE(lines[i][side].size() == 1);
      CHECK(lines[i][side][0]["role"] == "assistant");
    }
    CHECK(lines[i + 3]["prompt"] == "a text");  // each prompt as it was given
    CHECK(lines[i + 3]["chosen"].is_string());
  }
  CHECK(lines[0]["chosen"][0]["content"] == seen[0]["responses"][1]);
  const fs::path pairs = place.folder / "pairs.jsonl";
  fs::rename(place.output, pairs);
  const outcome trained = tilt_program(place.folder, {"dpo", "--model", place.model, "--train", pairs, "--output", place.folder / "trained",
                                                      "--max-steps", "1", "--batch-size", "2", "--threads", "1"});
  INFO(trained.err);
  CHECK(trained.status == 0);
}

TEST_CASE("prefer: --chat makes a text the user's message, with the answers that the conversation gets") {
  const workplace place = conversing("prefer_chat");
  std::vector<std::string> options = many_bytes;
  options.push_back("--chat");
  const auto chatted = preferences(place, options);
  write_text(place.folder / "prompts.jsonl",
             "{\"prompt\": [{\"role\": \"user\", \"content\": \"Q:\"}]}\n{\"prompt\": [{\"role\": \"user\", \"content\": \"R and S\"}]}\n");
  const auto given = preferences(place, many_bytes);
  CHECK_FALSE(chatted.empty());
  CHECK(chatted == given);
  workplace plain = preferring("prefer_no_template");
  refused(plain, {"chat", "template"}, options);
}
