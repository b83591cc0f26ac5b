// SPDX-License-Identifier: Apache-2.0
// tilt iterate: what a round writes, that a run goes on after whatever stopped it, to the same bits, and what is refused.
#include <set>

#include "bad_input.hpp"
#include "killing.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

void works(const outcome& result) {
  INFO(result.err);
  CHECK(result.status == 0);
}

workplace iterating(const char* name) {
  workplace place(name);
  write_text(place.folder / "pairs.jsonl", tiny_pairs(9));
  write_text(place.train, "{\"prompt\": \"Q:\"}\nR and S\nthird\nfourth\n");
  write_text(place.folder / "held_out.txt", "one\ntwo\nthree\n");
  place.arguments = {"iterate",
                     "--model",
                     place.model,
                     "--train",
                     place.train,
                     "--eval",
                     place.folder / "held_out.txt",
                     "--output",
                     place.output,
                     "--rule",
                     "keyword",
                     "--keyword",
                     "\xEF\xBF\xBD",
                     "--num-samples",
                     "3",
                     "--max-new-tokens",
                     "6",
                     "--num-rounds",
                     "2",
                     "--max-steps",
                     "3",
                     "--batch-size",
                     "2",
                     "--threads",
                     "1",
                     "--learning-rate",
                     "1e-2",
                     "--save-steps",
                     "1"};
  return place;
}
outcome into(workplace place, const std::string& name, std::vector<std::string> more = {}, double kill_after = 0) {
  place.leave_out("--output");
  place.arguments.insert(place.arguments.end(), {"--output", place.folder / name});
  return place.run(std::move(more), {.kill_after = kill_after});
}
/// What a run comes to, byte for byte.
const char* const results[] = {"rounds.jsonl",
                               "round-1/answers.jsonl",
                               "round-1/preferences.jsonl",
                               "round-1/metrics.jsonl",
                               "round-1/model/model.safetensors",
                               "round-2/answers.jsonl",
                               "round-2/preferences.jsonl",
                               "round-2/evaluation.jsonl",
                               "round-2/model/model.safetensors"};
void same(const workplace& place, const std::string& a, const std::string& b) {
  for (const char* file : results) {
    INFO(file << " of " << a << " and " << b);
    const std::string left = contents(place.folder / a / file);
    CHECK(left.size() > 100);
    CHECK((left == contents(place.folder / b / file)));
  }
}

}  // namespace

TEST_CASE("iterate: each round's pairs are those of tilt prefer, its model that of tilt dpo, its numbers those of tilt compare") {
  const workplace place = iterating("iterate_rounds");
  const outcome result = place.run();
  works(result);
  CHECK(result.out.find("KL (nats)") != std::string::npos);
  const auto rounds = json_lines(contents(place.output / "rounds.jsonl"));
  REQUIRE(rounds.size() == 3);
  CHECK(rounds[0]["kl"]["mean"] == 0);
  CHECK(rounds[0]["win_rate_by_score"].is_null());
  CHECK(rounds[2]["kl"]["mean"] != 0);
  fs::path before = place.model;
  for (int k = 1; k <= 2; ++k) {
    INFO("round " << k);
    const fs::path round = place.output / ("round-" + std::to_string(k));
    const std::string seed = std::to_string(42 + 1000 * k);
    works(tilt_program(place.folder, {"prefer", "--model", before, "--data", place.train, "--rule", "keyword", "--keyword", "\xEF\xBF\xBD",
                                      "--num-samples", "3", "--max-new-tokens", "6", "--seed", seed, "--threads", "1", "--output",
                                      place.folder / "preferred.jsonl"}));
    auto own = json_lines(contents(round / "preferences.jsonl")), preferred = json_lines(contents(place.folder / "preferred.jsonl"));
    CHECK(rounds[static_cast<std::size_t>(k)]["pairs"] == own.size());
    for (json& line : own) line["provenance"].erase("model");
    for (json& line : preferred) line["provenance"].erase("model");
    CHECK(own == preferred);
    fs::remove_all(place.folder / "trained");
    works(tilt_program(place.folder, {"dpo", "--model", before, "--reference-model", place.model, "--train", round / "preferences.jsonl",
                                      "--output", place.folder / "trained", "--max-steps", "3", "--batch-size", "2", "--learning-rate",
                                      "1e-2", "--seed", seed, "--threads", "1"}));
    CHECK((contents(place.folder / "trained" / "model.safetensors") == contents(round / "model" / "model.safetensors")));
    before = round / "model";
  }
  works(tilt_program(place.folder,
                     {"compare", "--model", place.model, before, "--data", place.folder / "held_out.txt", "--rule", "keyword", "--keyword",
                      "\xEF\xBF\xBD", "--max-new-tokens", "6", "--threads", "1", "--output", place.folder / "comparison"}));
  const json compared = json::parse(contents(place.folder / "comparison" / "comparison.json"))["models"][1];
  for (const char* key : {"kl", "reward", "tokens", "win_rate_by_score", "distinct_2"}) CHECK(rounds[2][key] == compared[key]);
}

TEST_CASE("iterate: a reference that follows, a mixture with original pairs, other losses, a judge") {
  const workplace place = iterating("iterate_kinds");
  works(into(place, "fixed"));
  works(into(place, "follows", {"--round-reference", "previous"}));
  const char* const last = "round-2/model/model.safetensors";
  CHECK(contents(place.folder / "fixed" / "round-1/model/model.safetensors") ==
        contents(place.folder / "follows" / "round-1/model/model.safetensors"));
  CHECK(contents(place.folder / "fixed" / last) != contents(place.folder / "follows" / last));
  works(into(place, "mixed", {"--mix", place.folder / "pairs.jsonl", "--mix-share", "0.5", "--loss-type", "ipo", "--beta", "0.2"}));
  std::set<std::string> drawn;
  for (const char* round : {"round-1", "round-2"}) {
    int own = 0, original = 0;
    for (const json& line : json_lines(contents(place.folder / "mixed" / round / "preferences.jsonl"))) {
      ++(line.contains("provenance") ? own : original);
      if (!line.contains("provenance")) drawn.insert(line["prompt"].get<std::string>());
    }
    CHECK(original == std::min(own, 9));
  }
  CHECK(drawn.size() > 1);
  write_text(place.folder / "judge.sh", "sed 's/.*\"id\":\\([0-9]*\\).*/{\"id\": \\1, \"choice\": 0}/'\n");
  workplace judged = place;
  judged.leave_out("--rule");
  judged.leave_out("--keyword");
  works(into(judged, "judged", {"--judge", "sh " + (place.folder / "judge.sh").string()}));
  const auto rounds = json_lines(contents(place.folder / "judged" / "rounds.jsonl"));
  CHECK(rounds[2]["reward"].is_null());
  CHECK(rounds[2]["win_rate_by_judge"]["share"] == 0.5);  // it goes by the place alone
}

TEST_CASE("iterate: a run that was killed, at whatever moment, goes on to the same bits") {
  const workplace place = iterating("iterate_killed");
  const std::vector<std::string> saving{"--mix", place.folder / "pairs.jsonl", "--save-total-limit", "2"};
  const outcome whole = into(place, "whole", saving);
  works(whole);
  std::vector<std::string> again = saving;
  again.push_back("--resume");
  kill_at_random_moments(
      kills_asked(6), place.folder / "killed", whole.seconds, [&](double after) { return into(place, "killed", again, after); },
      [&] { same(place, "whole", "killed"); });
}

TEST_CASE("iterate: killed while a round samples or scores, it makes no answer again that it had") {
  workplace place = iterating("iterate_sampling");
  for (const char* option : {"--rule", "--keyword", "--num-rounds", "--max-new-tokens", "--eval"}) place.leave_out(option);
  works(tilt_program(place.folder, {"reward", "--model", place.model, "--train", place.folder / "pairs.jsonl", "--output",
                                    place.folder / "judge", "--max-steps", "1", "--batch-size", "2", "--threads", "1"}));
  std::string prompts;
  for (int i = 0; i < 400; ++i) prompts += std::string(static_cast<std::size_t>(1 + i % 7), 'Q') + std::to_string(i) + "\n";
  write_text(place.train, prompts);
  place.arguments.insert(place.arguments.end(), {"--reward-model", place.folder / "judge", "--num-rounds", "1", "--max-new-tokens", "24"});
  works(into(place, "whole"));
  const char* const files[] = {"rounds.jsonl",
                               "round-0/evaluation.jsonl",
                               "round-1/answers.jsonl",
                               "round-1/preferences.jsonl",
                               "round-1/model/model.safetensors",
                               "round-1/evaluation.jsonl"};
  const auto whole_again = [&](const char* name) {
    for (const char* file : files) {
      INFO(file);
      CHECK((contents(place.folder / name / file) == contents(place.folder / "whole" / file)));
    }
    for (const auto& file : fs::recursive_directory_iterator(place.folder / name)) CHECK(file.path().extension() != ".part");
  };
  workplace run = place;
  run.leave_out("--output");
  run.arguments.insert(run.arguments.end(), {"--output", place.folder / "killed", "--resume"});
  for (const char* stage : {"round-0/evaluation.part", "round-0/log_ratios.part", "round-0/evaluation_scores.part", "round-1/answers.part",
                            "round-1/scores.part", "round-1/evaluation.part"}) {
    INFO(stage);
    const fs::path part = place.folder / "killed" / stage;
    const fs::path before = place.folder / "before";
    fs::remove_all(before);
    if (fs::exists(place.folder / "killed")) fs::copy(place.folder / "killed", before, fs::copy_options::recursive);
    std::string kept;
    std::ptrdiff_t lines = 0;
    until_met([&] {
      fs::remove_all(place.folder / "killed");
      if (fs::exists(before)) fs::copy(before, place.folder / "killed", fs::copy_options::recursive);
      const outcome killed = run.run({}, {.signal = SIGKILL, .signal_when = part});  // on the way, where the last kill has left it
      kept = contents(part);
      lines = std::count(kept.begin(), kept.end(), '\n');
      return killed.signal == SIGKILL && lines > 0;
    });
    if (std::string(stage) != "round-1/answers.part") continue;
    CHECK(lines < 400);
    fs::copy(place.folder / "killed", place.folder / "marked", fs::copy_options::recursive);
    write_text(part, kept + kept.substr(0, kept.find('\n') / 2));  // a line that was not finished
    // An answer that is told from what the model says: it is there in the end, so nothing has made it again.
    json first = json::parse(kept.substr(0, kept.find('\n')));
    first[0]["logp"] = -1234.5;
    write_text(place.folder / "marked" / stage, first.dump() + kept.substr(kept.find('\n')));
    const outcome marked = into(place, "marked", {"--resume"});
    works(marked);
    CHECK(marked.err.find(std::to_string(lines) + " of 400 prompts are answered already") != std::string::npos);
    const std::string answers = contents(place.folder / "marked" / "round-1/answers.jsonl");
    CHECK(json_lines(answers)[0]["answers"][0]["logp"] == -1234.5);
    CHECK(answers.substr(answers.find('\n')) ==
          contents(place.folder / "whole" / files[2]).substr(contents(place.folder / "whole" / files[2]).find('\n')));
  }
  works(run.run());
  whole_again("killed");
  write_text(place.folder / "marked" / "round-1" / "answers.part", "[{\"text\": 3}]\n");
  fs::remove(place.folder / "marked" / "round-1" / "answers.jsonl");
  fs::remove(place.folder / "marked" / "round-1" / "preferences.jsonl");
  const outcome foreign = into(place, "marked", {"--resume"});
  CHECK(foreign.status == 2);
  CHECK(foreign.err.find("answers.part:1") != std::string::npos);
}

TEST_CASE("iterate: interrupted while it samples, it says how to go on") {
  workplace place = iterating("iterate_interrupted");
  std::string prompts;
  for (int i = 0; i < 400; ++i) prompts += std::string(static_cast<std::size_t>(1 + i % 7), 'Q') + std::to_string(i) + "\n";
  write_text(place.train, prompts);
  const fs::path part = place.output / "round-1" / "answers.part";
  outcome stopped;
  until_met([&] {
    fs::remove_all(place.output);
    stopped = place.run({}, {.signal = SIGINT, .signal_when = part});
    return fs::exists(part);
  });
  INFO(stopped.err);
  CHECK(stopped.status == 130);
  CHECK(stopped.err.find("tilt: interrupted; ") != std::string::npos);
  CHECK(stopped.err.find("--resume\n") != std::string::npos);
}

TEST_CASE("iterate: a run goes on after any stage, does nothing twice, and may have more rounds") {
  const workplace place = iterating("iterate_stages");
  works(into(place, "whole"));
  const std::vector<std::vector<const char*>> stages{{"round-2/evaluation.jsonl"},
                                                     {"round-2/model"},
                                                     {"round-2/preferences.jsonl"},
                                                     {"round-2/preferences.jsonl", "round-2/answers.jsonl"},
                                                     {"rounds.jsonl"}};
  for (const auto& gone : stages) {
    INFO(gone[0]);
    fs::remove_all(place.folder / "part");
    fs::copy(place.folder / "whole", place.folder / "part", fs::copy_options::recursive);
    for (const char* file : gone) fs::remove_all(place.folder / "part" / file);
    works(into(place, "part", {"--resume"}));
    same(place, "whole", "part");
  }
  workplace shorter = place;
  shorter.leave_out("--num-rounds");
  works(into(shorter, "grown", {"--num-rounds", "1"}));
  const auto written = fs::last_write_time(place.folder / "grown" / "round-1" / "model" / "model.safetensors");
  works(into(place, "grown", {"--resume"}));
  CHECK(fs::last_write_time(place.folder / "grown" / "round-1" / "model" / "model.safetensors") == written);
  same(place, "whole", "grown");
}

TEST_CASE("iterate: a run with other options, prompts or models is no resumption") {
  const workplace place = iterating("iterate_resume");
  works(place.run());
  const std::string lines = contents(place.output / "rounds.jsonl");
  refuses(place.run(), {"--resume", "earlier run"});
  refuses(place.run({"--resume", "--beta", "0.5"}), {"--beta", "0.1", "0.5"});
  refuses(place.run({"--resume", "--temperature", "0.7"}), {"--temperature", "0.7"});
  refuses(place.run({"--resume", "--round-reference", "previous"}), {"--round-reference", "fixed", "previous"});
  refuses(place.run({"--resume", "--mix", place.folder / "pairs.jsonl"}), {"--mix"});
  write_text(place.train, "other\nprompts\n");
  refuses(place.run({"--resume"}), {"--train", "contents"});
  CHECK(contents(place.output / "rounds.jsonl") == lines);
}

TEST_CASE("iterate: what cannot be used is refused before anything is written") {
  workplace place = iterating("iterate_refused");
  refused(place, {"2 are given"}, {"--judge", "cat"});
  refused(place, {"--eval-samples", "0"}, {"--eval-samples", "0"});
  refused(place, {"--mix-share", "--mix"}, {"--mix-share", "0.5"});
  refused(place, {"--mix-share", "between"}, {"--mix", place.folder / "pairs.jsonl", "--mix-share", "1"});
  refused(place, {"--reference-model", "previous"}, {"--round-reference", "previous", "--reference-model", place.model});
  refused(place, {"--label-beta", "hard"}, {"--label-beta", "2"});
  refused(place, {"--margin"}, {"--margin", "1"});
  refused(place, {"--loss-type"}, {"--loss-type", "kto"});
  refused(place, {"--resume", "alone"}, {"--resume", place.folder / "nowhere"});
  write_text(place.folder / "long.txt", "Q:\n" + std::string(92, 'p') + "\n");
  workplace longer = place;
  longer.leave_out("--eval");
  refused(longer,
          {"long.txt:2: the prompt has 93 tokens and with 6 new ones exceeds the model's 96 positions; lower --max-new-tokens, or cut "
           "prompts with --max-prompt-length"},
          {"--eval", place.folder / "long.txt"});
  write_text(place.folder / "bad.jsonl", "{\"prompt\": \"Q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n{\"text\": \"no pair\"}\n");
  refused(place, {"bad.jsonl:2", "no pair"}, {"--mix", place.folder / "bad.jsonl"});
  place.leave_out("--rule");
  place.leave_out("--keyword");
  refused(place, {"--judge", "0 are given"});
  refused(place, {"--reward-model", "no reward model"}, {"--reward-model", place.model});
}
