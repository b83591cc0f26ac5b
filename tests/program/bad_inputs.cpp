// SPDX-License-Identifier: Apache-2.0
// What cannot be used: one sentence on standard error that says where and why, exit status 2, and nothing written.
#include <algorithm>
#include <limits>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "tiny_model.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;

namespace {

/// A folder with a model, pairs and a run over them that would work; each test spoils one thing.
struct workplace {
  explicit workplace(const char* name)
      : folder(scratch_folder(name)), model(folder / "model"), train(folder / "train.jsonl"), output(folder / "out") {
    write_tiny_model(model);
    write_text(train, tiny_pairs(6));
    arguments = {"dpo", "--model", model, "--train", train, "--output", output, "--max-steps", "2", "--batch-size", "2", "--threads", "1"};
  }

  outcome run(std::vector<std::string> more = {}, const run_options& options = {}) const {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), more.begin(), more.end());
    return tilt_program(folder, all, options);
  }
  /// Without the option and its value.
  void leave_out(const std::string& option) {
    const auto at = std::find(arguments.begin(), arguments.end(), option);
    arguments.erase(at, at + 2);
  }

  fs::path folder, model, train, output;
  std::vector<std::string> arguments;
};

/// One line that says `tilt: …` and holds all the words.
void refuses(const outcome& result, std::initializer_list<const char*> words) {
  INFO("status " << result.status << ", stderr: " << result.err);
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  CHECK(result.err.rfind("tilt: ", 0) == 0);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  for (const char* word : words) {
    INFO("looking for " << word);
    CHECK(result.err.find(word) != std::string::npos);
  }
}
void writes_nothing(const workplace& place) {
  INFO("the output folder is there");
  CHECK_FALSE(fs::exists(place.output));
}
void refused(const workplace& place, std::initializer_list<const char*> words, std::vector<std::string> more = {}) {
  refuses(place.run(std::move(more)), words);
  writes_nothing(place);
}

}  // namespace

TEST_CASE("the run that the bad inputs spoil works") {
  const workplace place("bad_none");
  const outcome result = place.run();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(fs::exists(place.output / "model.safetensors"));
}

TEST_CASE("unknown subcommands and options have a nearest one") {
  const workplace place("bad_options");
  refuses(tilt_program(place.folder, {"dop"}), {"dop", "dpo"});
  refused(place, {"--bta", "did you mean --beta?"}, {"--bta", "0.2"});
  refused(place, {"--per-device-batch-size", "did you mean"}, {"--per_device_batch_size", "2"});
  refused(place, {"stands alone"}, {"pairs.jsonl"});
}

TEST_CASE("options of other methods and losses are refused by name") {
  const workplace place("bad_unused");
  refused(place, {"--desirable-weight", "tilt kto"}, {"--desirable-weight", "2"});
  refused(place, {"--label-smoothing", "hinge"}, {"--loss-type", "hinge", "--label-smoothing", "0.1"});
  refused(place, {"--no-token-average", "sigmoid"}, {"--no-token-average"});
  refused(place, {"--momentum", "optim"}, {"--momentum", "0.9"});
  refused(place, {"--eval-steps", "--eval"}, {"--eval-steps", "1"});
  refused(place, {"--save-total-limit", "save_steps"}, {"--save-total-limit", "1"});
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
  refused(place, {"--loss-type", "simpo", "sigmoid, hinge, ipo"}, {"--loss-type", "simpo"});
  refused(place, {"--beta: needs a value"}, {"--beta"});
  refused(place, {"--beta: is given more than once"}, {"--beta", "0.1", "--beta", "0.2"});
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
  with("d.json", R"({"use_weighting": true})", {"d.json", "use_weighting"});
  with("e.json", R"({"beta": "much"})", {"e.json: beta", "much"});
  with("f.json", R"({"loss_type": ["sigmoid", "ipo"]})", {"f.json: loss_type", "two pair losses"});
  with("j.json", R"({"beta": [0.1, 0.2]})", {"j.json: beta", "list"});
  with("k.json", R"({"loss_type": ["sigmoid", "sft"], "loss_weights": [1]})", {"k.json: loss_weights"});
  with("g.json", R"({"batch_size": 2, "per_device_train_batch_size": 2})", {"g.json", "batch_size", "per_device_train_batch_size"});
  with("h.json", "{\"beta\": 0.1, \"beta\": 0.2}", {"h.json", "beta", "twice"});
  with("i.json", "[1, 2]", {"i.json"});
  with("a.yaml", "beta: 0.1\n  seed: [", {"a.yaml:", "YAML"});
  with("b.yaml", "beta: 0.1\nlerning_rate: 1\n", {"b.yaml", "lerning_rate", "learning_rate"});
}

TEST_CASE("weights: truncated, lying, missing, misshapen, not finite") {
  const workplace place("bad_weights");
  const std::string good = contents(place.model / "model.safetensors");
  const auto with = [&](const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.model / "model.safetensors", text);
    refused(place, words);
  };
  with(good.substr(0, 5), {"model.safetensors"});
  with(good.substr(0, good.size() - 100), {"model.safetensors"});
  with(std::string(8, '\xff') + good.substr(8), {"model.safetensors"});
  with(safetensors("{\"a\": ", ""), {"model.safetensors"});
  with(safetensors(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1600]}})", std::string(16, '\0')),
       {"model.safetensors", "a"});
  with(safetensors(R"({"a": {"dtype": "F32", "shape": [4, 4611686018427387904], "data_offsets": [0, 16]}})", std::string(16, '\0')),
       {"model.safetensors", "a"});
  with(safetensors(R"({"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}})", std::string(16, '\0')),
       {"model.safetensors", "F99"});
  tensor_map weights = tiny_weights();
  weights.erase("model.layers.0.mlp.up_proj.weight");
  with(safetensors(weights), {"model.layers.0.mlp.up_proj.weight", "missing"});
  weights = tiny_weights();
  weights["model.layers.0.self_attn.k_proj.weight"].shape = {16, 8};
  with(safetensors(weights), {"model.layers.0.self_attn.k_proj.weight", "shape"});
  weights = tiny_weights();
  weights["model.norm.weight"].values[3] = std::numeric_limits<float>::quiet_NaN();
  with(safetensors(weights), {"model.norm.weight", "finite"});
  fs::remove(place.model / "model.safetensors");
  refused(place, {"model.safetensors"});
}

TEST_CASE("model folders: config.json and tokenizer.json") {
  const workplace place("bad_folder");
  const auto with = [&](const char* name, const std::string& text, std::initializer_list<const char*> words) {
    const std::string good = contents(place.model / name);
    write_text(place.model / name, text);
    refused(place, words);
    write_text(place.model / name, good);
  };
  with("config.json", "{", {"config.json"});
  nlohmann::json config = tiny_config();
  config["model_type"] = "bert";
  with("config.json", config.dump(), {"config.json", "bert"});
  config = tiny_config();
  config["num_attention_heads"] = 0;
  with("config.json", config.dump(), {"config.json", "num_attention_heads"});
  with("tokenizer.json", "{\"model\": ", {"tokenizer.json"});
  nlohmann::json tokenizer = tiny_tokenizer();
  tokenizer["model"]["type"] = "Unigram";
  with("tokenizer.json", tokenizer.dump(), {"tokenizer.json", "Unigram"});
  fs::remove(place.model / "tokenizer.json");
  refused(place, {"tokenizer.json"});
}

TEST_CASE("examples: broken lines, encodings, shapes") {
  const workplace place("bad_examples");
  const std::string good = tiny_pairs(2);
  const auto with = [&](const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.train, text);
    refused(place, words);
  };
  with(good + "{\"prompt\": \"a\", \"chosen\"\n" + good, {"train.jsonl:3"});
  with(good + "{\"prompt\": \"a\", \"chosen\": \"\xff\xfe\", \"rejected\": \"b\"}\n", {"train.jsonl:3", "UTF-8"});
  with(std::string("\xff\xfe{\0\"\0", 6), {"train.jsonl"});
  with(good + R"({"prompt": "a", "chosen": "b"})" + "\n", {"train.jsonl:3", "rejected"});
  with(good + R"({"prompt": "a", "chosen": 3, "rejected": "b"})" + "\n", {"train.jsonl:3", "chosen"});
  with(good + R"({"prompt": "a", "chosen": "", "rejected": "b"})" + "\n", {"train.jsonl:3", "empty", "--drop-empty"});
  with(good + "[1, 2]\n", {"train.jsonl:3"});
  with("", {"train.jsonl"});
  with("\n\n", {"train.jsonl"});
  with(nlohmann::json{{"prompt", std::string(300, 'p')}, {"chosen", "a"}, {"rejected", "b"}}.dump() + "\n", {"train.jsonl"});
}

TEST_CASE("examples: compressed files that are none, or not whole") {
  workplace place("bad_gzip");
  place.leave_out("--train");
  const fs::path packed = place.folder / "train.jsonl.gz";
  write_text(packed, "this is no gzip\n");
  refused(place, {"train.jsonl.gz"}, {"--train", packed});
  write_text(packed, std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56", 12));
  refused(place, {"train.jsonl.gz"}, {"--train", packed});
}

TEST_CASE("outputs that cannot be written") {
  workplace place("bad_output");
  place.leave_out("--output");
  write_text(place.folder / "a_file", "kept");
  refused(place, {"a_file"}, {"--output", place.folder / "a_file" / "out"});
  refused(place, {"a_file"}, {"--output", place.folder / "a_file"});
  CHECK(contents(place.folder / "a_file") == "kept");
  refused(place, {"/proc"}, {"--output", "/proc/tilt-out"});
}

TEST_CASE("a disk that is full") {
  const workplace place("bad_full");
  // The weights take 30 kB, the log 2: the first file that does not fit is refused, and none is left in part.
  const outcome result = place.run({"--logging-steps", "1"}, {.largest_file = 8192});
  INFO(result.err);
  CHECK(result.status == 2);
  const std::string last = result.err.substr(result.err.rfind('\n', result.err.size() - 2) + 1);
  CHECK(last.rfind("tilt: ", 0) == 0);
  CHECK(last.find("model.safetensors") != std::string::npos);
  std::vector<std::string> left;
  for (const auto& file : fs::recursive_directory_iterator(place.output)) left.push_back(file.path().filename());
  CHECK(left == std::vector<std::string>{"metrics.jsonl"});
  if (!fs::exists("/dev/full")) return;
  const outcome full = tilt_program(place.folder, {"score", "--model", place.model, "--data", place.train}, {.output = "/dev/full"});
  INFO(full.err);
  CHECK(full.status == 2);
  CHECK(full.err.find("standard output") != std::string::npos);
}

TEST_CASE("checkpoints that cannot be resumed") {
  const workplace place("bad_resume");
  refused(place, {"nowhere"}, {"--resume", place.folder / "nowhere"});
  CHECK(place.run({"--save-steps", "1"}).status == 0);
  refuses(place.run({"--save-steps", "1"}), {"--resume"});  // it would mix two runs
  refuses(place.run({"--resume", "--save-steps", "1", "--seed", "7"}), {"seed"});
  refuses(place.run({"--resume", "--save-steps", "1", "--loss-type", "ipo"}), {"loss"});
}
