// SPDX-License-Identifier: Apache-2.0
// tilt ppo, rloo, grpo and reinforce: what they write, that they go on after whatever stopped them, and what they refuse.
#include "bad_input.hpp"
#include "killing.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

void works(const outcome& result) {
  INFO(result.err);
  CHECK(result.status == 0);
}

/// A language model, a reward model made of it, prompts, and a run that would work.
struct policy_place : workplace {
  policy_place(const char* name, const char* method) : workplace(name), judge(folder / "judge") {
    works(tilt_program(folder, {"reward", "--model", model, "--train", train, "--output", judge, "--max-steps", "2", "--batch-size", "2",
                                "--learning-rate", "1e-2", "--threads", "1"}));
    std::string prompts;
    for (int i = 0; i < 7; ++i) prompts += json{{"prompt", std::string(static_cast<std::size_t>(1 + i % 3), 'Q') + ":"}}.dump() + "\n";
    write_text(train, prompts);
    arguments = {method, "--model",      model, "--train",          train, "--reward-model",  judge,  "--output",  output, "--max-steps",
                 "4",    "--batch-size", "3",   "--max-new-tokens", "5",   "--learning-rate", "1e-2", "--threads", "1"};
    if (std::string(method) == "rloo" || std::string(method) == "grpo") arguments.insert(arguments.end(), {"--num-generations", "2"});
  }
  fs::path judge;
};

outcome into(policy_place place, const char* name, std::vector<std::string> more, double kill_after = 0) {
  place.leave_out("--output");
  place.arguments.insert(place.arguments.end(), {"--output", place.folder / name});
  return place.run(std::move(more), {.kill_after = kill_after});
}
bool same(const policy_place& place, const char* a, const char* b) {
  for (const char* file : {"model.safetensors", "metrics.jsonl"}) {
    const std::string left = contents(place.folder / a / file);
    if (left.size() < 100 || left != contents(place.folder / b / file)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("policy gradients: each method writes a language model and PPOTrainer's metrics") {
  for (const char* method : {"ppo", "rloo", "grpo", "reinforce"}) {
    INFO(method);
    const policy_place place("policy", method);
    works(place.run({"--logging-steps", "1"}));
    CHECK(json::parse(contents(place.output / "config.json"))["architectures"] == json{"LlamaForCausalLM"});
    const std::string weights = contents(place.output / "model.safetensors");
    CHECK(weights != contents(place.model / "model.safetensors"));
    CHECK(weights.find("score.weight") == std::string::npos);
    const auto lines = json_lines(contents(place.output / "metrics.jsonl"));
    REQUIRE(lines.size() == 4);
    for (const char* key :
         {"objective/kl", "objective/entropy", "objective/non_score_reward", "objective/rlhf_reward", "objective/scores",
          "policy/approxkl_avg", "policy/clipfrac_avg", "loss/policy_avg", "val/ratio", "val/num_eos_tokens", "lr", "step"})
      CHECK(lines[0].contains(key));
    CHECK(lines[0]["objective/kl"] == 0);
    CHECK(lines[3]["objective/kl"] != 0);
    CHECK(lines[0].contains("loss/value_avg") == (std::string(method) == "ppo"));
    works(tilt_program(place.folder, {"generate", "--model", place.output, "--prompt", "Q:", "--max-new-tokens", "3"}));
  }
}

TEST_CASE("policy gradients: a rule judges as in tilt prefer, and prompts apart are evaluated on") {
  for (const char* method : {"ppo", "grpo"}) {
    INFO(method);
    policy_place place("policy_rule", method);
    place.leave_out("--reward-model");
    write_text(place.folder / "held_out.txt", "one\ntwo\nthree\n");
    const std::vector<std::string> judged{
        "--rule", "keyword", "--keyword", "\xEF\xBF\xBD", "--eval", place.folder / "held_out.txt", "--logging-steps", "1"};
    auto all = judged;
    all.insert(all.end(), {"--eval-steps", "2", "--save-steps", "2"});
    works(place.run(all));
    const auto lines = json_lines(contents(place.output / "metrics.jsonl"));
    std::vector<int> evaluated;
    for (const json& line : lines)
      if (line.contains("eval_objective/kl")) {
        evaluated.push_back(line["step"]);
        for (const char* key : {"eval_objective/rlhf_reward", "eval_objective/scores", "eval_objective/entropy",
                                "eval_objective/non_score_reward", "eval_val/num_eos_tokens", "eval_completions/mean_length"})
          CHECK(line[key].is_number());
        CHECK((line["eval_objective/kl"] == 0) == (line["step"] == 0));
      }
    CHECK(evaluated == std::vector<int>{0, 2, 4});
    // Without steps between them there are the first and the last, of the same model.
    works(into(place, "ends", judged));
    const auto ends = json_lines(contents(place.folder / "ends" / "metrics.jsonl"));
    CHECK(ends.size() == 6);
    CHECK(ends.back() == lines.back());
    CHECK(contents(place.folder / "ends" / "model.safetensors") == contents(place.output / "model.safetensors"));
    // It goes on to the same log, and under no other rule.
    fs::copy(place.output, place.folder / "again", fs::copy_options::recursive);
    fs::remove(place.folder / "again" / "model.safetensors");
    auto again = all;
    again.insert(again.end(), {"--resume", place.folder / "again" / "checkpoint-2"});
    works(into(place, "again", again));
    CHECK(same(place, "out", "again"));
    again[3] = "x";
    refuses(into(place, "other", again), {"--rule: ", " with keyword \"\xEF\xBF\xBD\", and this one has keyword \"x\"; "});
    again.erase(again.begin(), again.begin() + 4);
    again.insert(again.end(), {"--reward-model", place.judge});
    refuses(into(place, "other", again), {"--rule: ", " that had it at keyword \"\xEF\xBF\xBD\", where this one has none; resume with it"});
  }
}

TEST_CASE("policy gradients: prompts may be pairs without one, whose common beginning is taken") {
  const policy_place place("policy_pairs", "reinforce");
  works(place.run());
  std::string pairs;
  for (int i = 0; i < 7; ++i) {
    std::string prompt(static_cast<std::size_t>(1 + i % 3), 'Q');
    prompt.push_back(':');
    pairs += json{{"chosen", std::string(prompt).append(" a")}, {"rejected", std::string(prompt).append(" b")}}.dump();
    pairs += '\n';
  }
  write_text(place.train, pairs);
  works(into(place, "pairs", {}));
  CHECK(same(place, "out", "pairs"));
}

TEST_CASE("ppo: a value function that shares the policy's trunk is not saved with it") {
  const policy_place place("policy_shared", "ppo");
  works(place.run({"--share-value", "--save-steps", "2", "--entropy-coef", "0.01"}));
  for (const fs::path& folder : {place.output, place.output / "checkpoint-2"})
    CHECK(contents(folder / "model.safetensors").find("score.weight") == std::string::npos);
  works(into(place, "again",
             {"--share-value", "--entropy-coef", "0.01", "--gradient-checkpointing", "--resume", place.output / "checkpoint-2"}));
  CHECK(contents(place.output / "model.safetensors") == contents(place.folder / "again" / "model.safetensors"));
}

TEST_CASE("policy gradients: a run that was killed, at whatever moment, goes on to the same bits") {
  for (const char* method : {"ppo", "grpo"}) {
    INFO(method);
    const policy_place place("policy_killed", method);
    const std::vector<std::string> saving{"--save-steps", "1", "--logging-steps", "2", "--max-steps", "12"};
    policy_place longer = place;
    longer.leave_out("--max-steps");
    const outcome whole = into(longer, "whole", saving);
    works(whole);
    std::vector<std::string> again = saving;
    again.push_back("--resume");
    kill_at_random_moments(
        kills_asked(6), place.folder / "killed", whole.seconds, [&](double after) { return into(longer, "killed", again, after); },
        [&] { CHECK(same(place, "whole", "killed")); });
  }
}

TEST_CASE("ppo: a PPOConfig is read as it stands") {
  policy_place place("policy_config", "ppo");
  for (const char* option : {"--reward-model", "--max-steps", "--max-new-tokens", "--learning-rate", "--batch-size"})
    place.leave_out(option);
  json config{{"exp_name", "ppo_config"},
              {"reward_model_path", place.judge.string()},
              {"response_length", 4},
              {"total_episodes", 9},
              {"per_device_train_batch_size", 3},
              {"num_mini_batches", 1},
              {"num_ppo_epochs", 2},
              {"kl_coef", 0.1},
              {"kl_estimator", "k3"},
              {"cliprange", 0.3},
              {"vf_coef", 0.2},
              {"lam", 0.9},
              {"gamma", 1.0},
              {"whiten_rewards", false},
              {"missing_eos_penalty", nullptr},
              {"temperature", 1.0},
              {"stop_token", "eos"},
              {"world_size", nullptr},
              {"num_total_batches", nullptr},
              {"mini_batch_size", nullptr},
              {"ds3_gather_for_generation", true},
              {"learning_rate", 0.01}};
  const auto with = [&] {
    write_text(place.folder / "ppo.json", config.dump());
    return place.run({"--config", place.folder / "ppo.json", "--logging-steps", "1"});
  };
  works(with());
  CHECK(json_lines(contents(place.output / "metrics.jsonl")).size() == 3);  // 9 samples, 3 a step
  fs::remove_all(place.output);
  config["temperature"] = 0.7;  // samples are the policy's own here
  refuses(with(), {"ppo.json: temperature"});
  config["temperature"] = 1.0;
  config["stop_token_id"] = 5;
  refuses(with(), {"ppo.json: stop_token_id"});
}

TEST_CASE("ppo: an old checkpoint of other settings, or of another judge, is refused, with both values") {
  const policy_place place("policy_resume", "ppo");
  write_text(place.folder / "pairs.jsonl", tiny_pairs(6));
  works(place.run({"--save-steps", "2"}));
  refuses(into(place, "other", {"--resume", place.output / "checkpoint-2", "--cliprange", "0.3"}), {"--cliprange", "0.2", "0.3"});
  refuses(into(place, "other", {"--resume", place.output / "checkpoint-2", "--kl-coef", "0.2"}), {"--kl-coef", "0.05"});
  policy_place judged = place;
  judged.leave_out("--reward-model");
  works(tilt_program(place.folder, {"reward", "--model", place.model, "--train", place.folder / "pairs.jsonl", "--output",
                                    place.folder / "other_judge", "--max-steps", "1", "--batch-size", "2", "--threads", "1"}));
  refuses(into(judged, "other", {"--resume", place.output / "checkpoint-2", "--reward-model", place.folder / "other_judge"}),
          {"--reward-model"});
}

TEST_CASE("policy gradients: what is wrong is refused by name") {
  policy_place place("bad_policy", "ppo");
  const auto no = [&](std::initializer_list<const char*> words, std::vector<std::string> more) { refused(place, words, std::move(more)); };
  no({"--cliprange", "0"}, {"--cliprange", "0"});
  no({"--lam", "2"}, {"--lam", "2"});
  no({"--target", "adap_kl_ctrl"}, {"--target", "3"});
  no({"--target-kl", "early_stopping"}, {"--target-kl", "3"});
  no({"--num-ppo-epochs", "0"}, {"--num-ppo-epochs", "0"});
  no({"--eval-steps", "--eval"}, {"--eval-steps", "2"});
  no({"--rule", "--reward-model", "both"}, {"--rule", "length"});
  no({"--keyword", "--rule"}, {"--keyword", "x"});
  no({"--temperature"}, {"--temperature", "0.7"});
  no({"--max-steps", "total_episodes"}, {"--total-episodes", "12"});
  no({"--value-model", "share_value"}, {"--value-model", place.judge, "--share-value"});
  SECTION("a reward model is missing, or is none") {
    place.leave_out("--reward-model");
    no({"--reward-model", "--rule"}, {});
    no({"--keyword"}, {"--rule", "keyword"});
    no({"--reward-model", "no value head"}, {"--reward-model", place.model});
  }
  SECTION("prompts that leave no room") {
    place.leave_out("--max-new-tokens");
    no({"train.jsonl:1: the prompt has 3 tokens and with 200 new ones exceeds the model's 96 positions; lower --max-new-tokens, or cut "
        "prompts "
        "with --max-prompt-length"},
       {"--max-new-tokens", "200"});
  }
  SECTION("prompts") {
    write_text(place.train, "{\"text\": \"no prompt\"}\n");
    no({"train.jsonl:1", "prompt"}, {});
  }
  SECTION("a method without the option") {
    place.arguments[0] = "reinforce";
    no({"--lam", "tilt ppo"}, {"--lam", "0.9"});
    place.arguments[0] = "rloo";
    no({"--num-generations", "1"}, {"--num-generations", "1"});
    place.arguments[0] = "grpo";
    no({"--kl-coef"}, {"--num-generations", "2", "--kl-coef", "0.1"});
  }
}
