// SPDX-License-Identifier: Apache-2.0
// tilt reward and tilt score --reward-model: what is written, that both agree, that a run goes on, and what is refused.
#include <cmath>

#include "bad_input.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

workplace reward_place(const char* name) {
  workplace place(name);
  place.arguments[0] = "reward";
  place.arguments.insert(place.arguments.end(), {"--learning-rate", "1e-2"});
  return place;
}

void works(const outcome& result) {
  INFO(result.err);
  CHECK(result.status == 0);
}

}  // namespace

TEST_CASE("reward: the folder is a sequence classifier with one label, and its metrics are TRL's") {
  const workplace place = reward_place("reward");
  works(place.run({"--center-rewards-coefficient", "0.01", "--logging-steps", "1", "--eval", place.train}));
  const json config = json::parse(contents(place.output / "config.json"));
  CHECK(config["architectures"] == json{"LlamaForSequenceClassification"});
  CHECK(config["num_labels"] == 1);
  CHECK(config["id2label"].size() == 1);
  CHECK(config["pad_token_id"] == 257);  // the end token, as the model had none
  const std::string weights = contents(place.output / "model.safetensors");
  CHECK(weights.find("\"score.weight\"") != std::string::npos);
  CHECK(weights.find("lm_head") == std::string::npos);
  const auto lines = json_lines(contents(place.output / "metrics.jsonl"));
  REQUIRE(lines.size() == 4);  // two steps, an evaluation on each side
  for (const char* key : {"loss", "grad_norm", "learning_rate", "min_reward", "mean_reward", "max_reward", "accuracy", "margin",
                          "num_tokens", "epoch", "step"})
    CHECK(lines[1].contains(key));
  CHECK(lines[3].contains("eval_accuracy"));
  CHECK(lines[3]["eval_loss"] < lines[0]["eval_loss"]);
}

TEST_CASE("score --reward-model: the rewards are those that training saw, alone or beside log-probabilities") {
  const workplace place = reward_place("reward_score");
  works(place.run({"--eval", place.train, "--eval-batch-size", "6"}));
  const outcome scored = tilt_program(place.folder, {"score", "--reward-model", place.output, "--data", place.train});
  works(scored);
  CHECK(scored.err.find("of 6 pairs") != std::string::npos);
  const auto lines = json_lines(scored.out);
  REQUIRE(lines.size() == 6);
  double margin = 0, least = 1e9, hits = 0;
  for (const json& line : lines) {
    CHECK(line["chosen"]["tokens"] == line["chosen"]["ids"].size());
    CHECK_FALSE(line["chosen"].contains("logp"));
    const double chosen = line["chosen"]["reward"], rejected = line["rejected"]["reward"];
    margin += (chosen - rejected) / 6;
    hits += chosen > rejected ? 1 : 0;
    least = std::min({least, chosen, rejected});
  }
  const json last = json_lines(contents(place.output / "metrics.jsonl")).back();
  CHECK(std::abs(last["eval_margin"].get<double>() - margin) < 1e-6);
  CHECK(std::abs(last["eval_accuracy"].get<double>() - hits / 6) < 1e-12);
  CHECK(last["eval_min_reward"].get<double>() == least);
  const auto both =
      json_lines(tilt_program(place.folder, {"score", "--model", place.model, "--reward-model", place.output, "--data", place.train}).out);
  REQUIRE(both.size() == 6);
  CHECK(both[2]["rejected"]["reward"] == lines[2]["rejected"]["reward"]);
  CHECK(both[2]["rejected"].contains("token_logps"));
}

TEST_CASE("reward: a run that is resumed ends in the same bits, and a reward model's training goes on from a reward model") {
  workplace place = reward_place("reward_resume");
  place.leave_out("--max-steps");
  works(place.run({"--save-steps", "1", "--max-steps", "3"}));
  const auto into = [&](const char* name, std::vector<std::string> more) {
    workplace other = place;
    other.leave_out("--output");
    other.arguments.insert(other.arguments.end(), {"--output", place.folder / name, "--max-steps", "3"});
    return other.run(std::move(more));
  };
  works(into("again", {"--resume", place.output / "checkpoint-1"}));
  CHECK((contents(place.output / "model.safetensors") == contents(place.folder / "again" / "model.safetensors")));
  refuses(into("other", {"--resume", place.output / "checkpoint-1", "--center-rewards-coefficient", "0.5"}),
          {"--center-rewards-coefficient", "resume with 0"});
  workplace further = reward_place("reward_further");
  further.leave_out("--model");
  works(further.run({"--model", place.output}));
}

TEST_CASE("reward: what is wrong is refused by name") {
  const workplace place = reward_place("bad_reward");
  refused(place, {"--center-rewards-coefficient", "-1"}, {"--center-rewards-coefficient", "-1"});
  refused(place, {"--beta", "tilt dpo"}, {"--beta", "0.1"});
  refused(place, {"train.jsonl", "longer than max_length (3 tokens)"}, {"--max-length", "3"});
  write_text(place.train, R"({"prompt": "Q:", "chosen": " a", "rejected": " b", "margin": "much"})"
                          "\n");
  refused(place, {"train.jsonl:1", "'margin'", "not a number"});
  write_text(place.train, R"({"prompt": "Q:", "chosen": " a", "rejected": " b", "weight": 2})"
                          "\n");
  refused(place, {"train.jsonl:1: ", "weight"});
}

TEST_CASE("a reward model is no language model, and the other way round") {
  workplace place = reward_place("reward_mistaken");
  works(place.run());
  refuses(tilt_program(place.folder, {"generate", "--model", place.output, "--prompt", "Hi"}), {"--model", "reward model"});
  refuses(tilt_program(place.folder, {"score", "--model", place.output, "--data", place.train}),
          {"--model", "reward model", "--reward-model"});
  refuses(tilt_program(place.folder, {"score", "--reward-model", place.model, "--data", place.train}),
          {"--reward-model", "is no reward model"});
  refuses(tilt_program(place.folder, {"score", "--data", place.train}), {"--model", "--reward-model"});
  refuses(tilt_program(place.folder, {"score", "--reward-model", place.output, "--reference-model", place.model, "--data", place.train}),
          {"--reference-model"});
  refuses(tilt_program(place.folder, {"dpo", "--model", place.output, "--train", place.train, "--output", place.folder / "dpo"}),
          {"--model", "reward model"});
  const auto with_reference = [&](std::vector<std::string> command) {
    command.insert(command.end(), {"--model", place.model, "--reference-model", place.output});
    refuses(tilt_program(place.folder, command), {"--reference-model", "is a reward model"});
  };
  const fs::path other = place.folder / "other";
  with_reference({"dpo", "--train", place.train, "--output", other});
  with_reference({"kto", "--train", place.train, "--output", other});
  with_reference({"ppo", "--train", place.train, "--output", other, "--reward-model", place.output});
  with_reference({"iterate", "--train", place.train, "--output", other, "--rule", "length"});
  with_reference({"score", "--data", place.train});
  json config = json::parse(contents(place.output / "config.json"));
  config["num_labels"] = 2;
  write_text(place.output / "config.json", config.dump());
  refuses(tilt_program(place.folder, {"score", "--reward-model", place.output, "--data", place.train}), {"config.json", "2 labels"});
}
