// SPDX-License-Identifier: Apache-2.0
#include "bad_input.hpp"

using namespace tilt::test;

TEST_CASE("the run that the bad inputs spoil works") {
  const workplace place("bad_none");
  const outcome result = place.run();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(fs::exists(place.output / "model.safetensors"));
}

TEST_CASE("unknown subcommands and options have a nearest one") {
  const workplace place("bad_options");
  SECTION("a subcommand") { refuses(tilt_program(place.folder, {"dop"}), {"dop", "dpo"}); }
  SECTION("an option") { refused(place, {"--bta", "did you mean --beta?"}, {"--bta", "0.2"}); }
  SECTION("an option in TRL's spelling") { refused(place, {"--per-device-batch-size", "did you mean"}, {"--per_device_batch_size", "2"}); }
  SECTION("a word without an option") { refused(place, {"stands alone", "--train FILE"}, {"pairs.jsonl"}); }
  SECTION("a loss") { refused(place, {"--loss-type", "\"ipoo\" is not known", "did you mean ipo?"}, {"--loss-type", "ipoo"}); }
  SECTION("a loss of another subcommand") { refused(place, {"--loss-type", "\"kto\"", "tilt kto"}, {"--loss-type", "kto"}); }
  SECTION("DPO's own loss by another name") { refused(place, {"--loss-type", "\"dpo\"", "sigmoid"}, {"--loss-type", "dpo"}); }
  SECTION("an option of PyTorch") { refused(place, {"--bf16", "PyTorch", "leave it away"}, {"--bf16"}); }
  SECTION("an option of TRL's") { refused(place, {"--reference-free", "TRL", "tilt does not"}, {"--reference_free", "true"}); }
  SECTION("a backend") { refused(place, {"--backend", "\"referense\"", "did you mean reference?"}, {"--backend", "referense"}); }
}

TEST_CASE("options that would have no effect are refused by name") {
  const workplace place("bad_unused");
  SECTION("of another method") {
    refused(place, {"--desirable-weight: is an option of tilt kto, and tilt dpo "}, {"--desirable-weight", "2"});
    refused(place, {"--num-mini-batches: is an option of tilt grpo, tilt ppo and tilt rloo, and tilt dpo "}, {"--num-mini-batches", "2"});
    refused(place, {"--max-new-tokens: is an option of tilt compare, tilt generate, tilt grpo, tilt iterate and others, and tilt dpo "},
            {"--max-new-tokens", "2"});
    write_text(place.folder / "other.json", R"({"num_mini_batches": 7})");
    refused(place, {"other.json: num_mini_batches is an option of tilt grpo, tilt ppo and tilt rloo, and tilt dpo "},
            {"--config", place.folder / "other.json"});
  }
  SECTION("of another loss") { refused(place, {"--label-smoothing", "hinge"}, {"--loss-type", "hinge", "--label-smoothing", "0.1"}); }
  SECTION("a flag of another loss") { refused(place, {"--no-token-average", "sigmoid"}, {"--no-token-average"}); }
  SECTION("of another optimiser") { refused(place, {"--momentum", "optim"}, {"--momentum", "0.9"}); }
  SECTION("without its file") { refused(place, {"--eval-steps", "--eval"}, {"--eval-steps", "1"}); }
  SECTION("without checkpoints") { refused(place, {"--save-total-limit", "save_steps"}, {"--save-total-limit", "1"}); }
  SECTION("threads of a backend that has one") {
    workplace two("bad_threads");
    two.leave_out("--threads");
    refused(two, {"--threads", "reference", "one thread"}, {"--backend", "reference", "--threads", "2"});
  }
}

TEST_CASE("values that are no values") {
  const workplace place("bad_values");
  refused(place, {"--beta", "\"much\" is not a number"}, {"--beta", "much"});
  refused(place, {"--beta", "-1"}, {"--beta", "-1"});
  refused(place, {"--label-smoothing", "0.7"}, {"--label-smoothing", "0.7"});
  refused(place, {"--learning-rate", "nan"}, {"--learning-rate", "nan"});
  refused(place, {"--logging-steps", "0"}, {"--logging-steps", "0"});
  refused(place, {"--logging-steps", "2.5"}, {"--logging-steps", "2.5"});
  refused(place, {"--dtype", "float16", "float32, float64"}, {"--dtype", "float16"});
  refused(place, {"--backend", "cuda"}, {"--backend", "cuda"});
  refused(place, {"--loss-type", "nonesuch", "sigmoid"}, {"--loss-type", "nonesuch"});
  refused(place, {"--beta: needs a value"}, {"--beta"});
  refused(place, {"--beta: is given more than once"}, {"--beta", "0.1", "--beta", "0.2"});
}

TEST_CASE("generate and score: what cannot be sampled with, and counts that are negative") {
  workplace place("bad_sampling");
  place.arguments = {"generate", "--model", place.model, "--prompt", "Q:", "--output", place.output};
  refused(place, {"--temperature", "-1"}, {"--temperature", "-1"});
  refused(place, {"--top-p", "1.5"}, {"--top-p", "1.5"});
  refused(place, {"--min-p", "2"}, {"--min-p", "2"});
  refused(place, {"--repetition-penalty", "positive"}, {"--repetition-penalty", "0"});
  refused(place, {"--min-p", "temperature 0"}, {"--temperature", "0", "--min-p", "0.1"});
  refused(place, {"--max-length", "max_new_tokens"}, {"--max-length", "20", "--max-new-tokens", "5"});
  refused(place, {"--max-length", "3 tokens"}, {"--max-length", "3"});
  refused(place, {"--max-new-tokens", "0"}, {"--max-new-tokens", "0"});
  refused(place, {"--num-samples", "0"}, {"--num-samples", "0"});
  refused(place, {"--max-prompt-length: -1 is negative"}, {"--max-prompt-length", "-1"});
  refused(place, {"--threads: -1 is negative"}, {"--threads", "-1"});
  refused(place,
          {"--prompt: the prompt has 3 tokens and with 500 new ones exceeds the model's 96 positions; lower --max-new-tokens, or cut "
           "prompts with --max-prompt-length"},
          {"--max-new-tokens", "500"});
  refused(place, {"--prompt: the prompt has 3 tokens and with 117 new ones exceeds the model's 96 positions; lower --max-length, or"},
          {"--max-length", "120"});
  refused(place, {"--data", "--prompt"}, {"--data", place.train});

  place.arguments = {"score", "--model", place.model, "--data", place.train, "--output", place.output};
  for (const char* option : {"--max-length", "--max-prompt-length", "--threads"})
    refused(place, {option, "-1 is negative"}, {option, "-1"});
}

TEST_CASE("missing files and options") {
  workplace place("bad_missing");
  place.leave_out("--train");
  refused(place, {"--train"});
  refused(place, {"nowhere.jsonl"}, {"--train", place.folder / "nowhere.jsonl"});
  refused(place, {"nowhere.yaml"}, {"--train", place.train, "--config", place.folder / "nowhere.yaml"});
  refused(place, {"nowhere"}, {"--train", place.train, "--eval", place.folder / "nowhere"});
  place.leave_out("--model");
  refused(place, {"--model"}, {"--train", place.train});
  refused(place, {"nowhere"}, {"--train", place.train, "--model", place.folder / "nowhere"});
}

TEST_CASE("configuration files") {
  const workplace place("bad_config");
  const auto with = [&](const char* name, const char* text, std::initializer_list<const char*> words) {
    write_text(place.folder / name, text);
    refused(place, words, {"--config", place.folder / name});
  };
  with("a.json", R"({"betta": 0.1})", {"a.json", "betta", "did you mean \"beta\"?"});
  with("b.json", R"({"desirable_weight": 2.0})", {"b.json", "desirable_weight", "tilt kto"});
  with("c.json", "{\"beta\": 0.1,\n \"seed\" 3}", {"c.json:2", "JSON"});
  with("d.json", R"({"loss_type": "aot", "use_weighting": true})", {"d.json: use_weighting", "aot"});
  with("e.json", R"({"beta": "much"})", {"e.json: beta", "much"});
  with("f.json", R"({"loss_type": ["bco_pair"], "f_divergence_type": "js_divergence"})", {"f.json: f_divergence_type", "bco_pair"});
  with("m.json", R"({"loss_type": ["bco_pair", "nca_pair"], "f_divergence_type": "js_divergence"})", {"m.json: f_divergence_type", "none"});
  with("n.json", R"({"loss_type": ["plackett_luce", "sigmoid"]})", {"n.json: loss_type", "plackett_luce", "alone"});
  with("o.json", R"({"loss_weights": [0]})", {"o.json: loss_weights", "positive"});
  with("l.json", R"({"loss_type": ["ipo", "ipo"]})", {"l.json: loss_type", "twice"});
  with("j.json", R"({"beta": [0.1, 0.2]})", {"j.json: beta", "list"});
  with("k.json", R"({"loss_type": ["sigmoid", "sft"], "loss_weights": [1]})", {"k.json: loss_weights"});
  with("g.json", R"({"batch_size": 2, "per_device_train_batch_size": 2})", {"g.json", "batch_size", "per_device_train_batch_size"});
  with("h.json", "{\"beta\": 0.1, \"beta\": 0.2}", {"h.json", "beta", "twice"});
  with("i.json", "[1, 2]", {"i.json"});
  with("a.yaml", "beta: 0.1\n  seed: [", {"a.yaml:", "YAML"});
  with("b.yaml", "beta: 0.1\nlerning_rate: 1\n", {"b.yaml", "lerning_rate", "learning_rate"});
}
