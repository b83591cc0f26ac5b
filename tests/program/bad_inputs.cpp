// SPDX-License-Identifier: Apache-2.0
// What cannot be used: one sentence on standard error that says where and why, exit status 2, and nothing written.
#include <sys/mount.h>

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

/// One line that says `tilt: where: reason; remedy` and holds all the words.
void refuses(const outcome& result, std::initializer_list<const char*> words) {
  INFO("status " << result.status << ", stderr: " << result.err);
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  CHECK(result.err.rfind("tilt: ", 0) == 0);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK((result.err.find("; ") != std::string::npos || result.err.find('?') != std::string::npos));  // a remedy
  for (const char* word : words) {
    INFO("looking for " << word);
    CHECK(result.err.find(word) != std::string::npos);
  }
}
void writes_nothing(const workplace& place) {
  INFO("the output folder is there");
  CHECK_FALSE(fs::exists(place.output));
  for (const auto& file : fs::recursive_directory_iterator(place.folder)) {
    INFO("left over: " << file.path());
    CHECK(file.path().string().find(".tmp-") == std::string::npos);
  }
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
  SECTION("a subcommand") { refuses(tilt_program(place.folder, {"dop"}), {"dop", "dpo"}); }
  SECTION("an option") { refused(place, {"--bta", "did you mean --beta?"}, {"--bta", "0.2"}); }
  SECTION("an option in TRL's spelling") { refused(place, {"--per-device-batch-size", "did you mean"}, {"--per_device_batch_size", "2"}); }
  SECTION("a word without an option") { refused(place, {"stands alone"}, {"pairs.jsonl"}); }
  SECTION("a loss") { refused(place, {"--loss-type", "\"ipoo\" is not known", "nearest: ipo"}, {"--loss-type", "ipoo"}); }
  SECTION("a backend") { refused(place, {"--backend", "\"referense\"", "nearest: reference"}, {"--backend", "referense"}); }
}

TEST_CASE("options that would have no effect are refused by name") {
  const workplace place("bad_unused");
  SECTION("of another method") { refused(place, {"--desirable-weight", "tilt kto"}, {"--desirable-weight", "2"}); }
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

TEST_CASE("weights") {
  const workplace place("bad_weights");
  const std::string good = contents(place.model / "model.safetensors");
  const auto with = [&](const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.model / "model.safetensors", text);
    refused(place, words);
  };
  tensor_map weights = tiny_weights();
  SECTION("the header's length is cut off") { with(good.substr(0, 5), {"model.safetensors", "8 bytes"}); }
  SECTION("the header is cut off") { with(good.substr(0, 100), {"model.safetensors", "claims a header"}); }
  SECTION("the numbers are cut off") { with(good.substr(0, good.size() - 100), {"model.safetensors", "places the tensor"}); }
  SECTION("the file is empty") { with("", {"model.safetensors", "8 bytes"}); }
  SECTION("the header claims to be longer than the file") {
    with(std::string(8, '\xff') + good.substr(8), {"model.safetensors", "claims a header"});
  }
  SECTION("the header is no JSON") { with(safetensors("{\"a\": ", ""), {"model.safetensors", "JSON"}); }
  SECTION("offsets lie beyond the file") {
    with(safetensors(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1600]}})", std::string(16, '\0')),
         {"model.safetensors", "'a'"});
  }
  SECTION("offsets run backwards") {
    with(safetensors(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}})", std::string(16, '\0')),
         {"model.safetensors", "'a'"});
  }
  SECTION("tensors overlap") {
    with(
        safetensors(
            R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]}})",
            std::string(24, '\0')),
        {"model.safetensors", "overlapping", "'b'"});
  }
  SECTION("a shape whose product overflows") {
    with(safetensors(R"({"a": {"dtype": "F32", "shape": [4, 4611686018427387904], "data_offsets": [0, 16]}})", std::string(16, '\0')),
         {"model.safetensors", "'a'"});
  }
  SECTION("an unknown number type") {
    with(safetensors(R"({"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}})", std::string(16, '\0')),
         {"model.safetensors", "F99"});
  }
  SECTION("a tensor is missing") {
    weights.erase("model.layers.0.mlp.up_proj.weight");
    with(safetensors(weights), {"model.layers.0.mlp.up_proj.weight", "missing"});
  }
  SECTION("a tensor has another shape") {
    weights["model.layers.0.self_attn.k_proj.weight"].shape = {16, 8};
    with(safetensors(weights), {"model.layers.0.self_attn.k_proj.weight", "[16, 8]", "[8, 16]"});
  }
  SECTION("a weight is NaN") {
    weights["model.norm.weight"].values[3] = std::numeric_limits<float>::quiet_NaN();
    with(safetensors(weights), {"model.norm.weight", "finite"});
  }
  SECTION("there are none") {
    fs::remove(place.model / "model.safetensors");
    refused(place, {"model.safetensors"});
  }
  SECTION("a tensor is in two shards") {
    fs::remove(place.model / "model.safetensors");
    tensor_map twice{{"model.norm.weight", weights["model.norm.weight"]}};
    nlohmann::json map;
    for (const auto& [name, tensor] : weights) map[name] = "a.safetensors";
    twice["more"] = twice["model.norm.weight"];
    map["more"] = "b.safetensors";
    write_text(place.model / "a.safetensors", safetensors(weights));
    write_text(place.model / "b.safetensors", safetensors(twice));
    write_text(place.model / "model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
    refused(place, {"b.safetensors", "model.norm.weight", "a.safetensors"});
  }
}

TEST_CASE("model folders") {
  const workplace place("bad_folder");
  nlohmann::json config = tiny_config(), tokenizer = tiny_tokenizer();
  const auto with = [&](const char* name, const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.model / name, text);
    refused(place, words);
  };
  SECTION("config.json is no JSON") { with("config.json", "{", {"config.json", "JSON"}); }
  SECTION("config.json is empty") { with("config.json", "", {"config.json", "JSON"}); }
  SECTION("an architecture that is not there") {
    config["model_type"] = "bert";
    with("config.json", config.dump(), {"config.json", "bert", "llama"});
  }
  SECTION("a size that is none") {
    config["num_attention_heads"] = 0;
    with("config.json", config.dump(), {"config.json", "num_attention_heads"});
  }
  // Sizes that would take all memory, and more, are held against the weights before anything is allocated.
  SECTION("a hostile width") {
    config["hidden_size"] = 1 << 22;
    with("config.json", config.dump(), {"shape", "config.json", "4194304"});
  }
  SECTION("a hostile vocabulary") {
    config["vocab_size"] = 1 << 26;
    with("config.json", config.dump(), {"shape", "config.json", "67108864"});
  }
  SECTION("a hostile number of layers") {
    config["num_hidden_layers"] = 8192;
    with("config.json", config.dump(), {"model.layers.1.", "missing", "config.json"});
  }
  SECTION("sizes beyond all bounds") {
    config["intermediate_size"] = std::int64_t{1} << 62;
    with("config.json", config.dump(), {"config.json", "intermediate_size", "at most"});
  }
  SECTION("a hostile reference model") {
    write_tiny_model(place.folder / "other");
    config["hidden_size"] = 1 << 22;
    write_text(place.folder / "other" / "config.json", config.dump());
    refuses(place.run({"--reference-model", place.folder / "other"}), {"other", "shape", "4194304"});
    CHECK_FALSE(fs::exists(place.output / "model.safetensors"));
  }
  SECTION("tokenizer.json is no JSON") { with("tokenizer.json", "{\"model\": ", {"tokenizer.json"}); }
  SECTION("a tokenizer of another kind") {
    tokenizer["model"]["type"] = "Unigram";
    with("tokenizer.json", tokenizer.dump(), {"tokenizer.json", "Unigram"});
  }
  SECTION("the tokenizer is missing") {
    fs::remove(place.model / "tokenizer.json");
    refused(place, {"tokenizer.json"});
  }
}

TEST_CASE("examples") {
  const workplace place("bad_examples");
  const std::string good = tiny_pairs(2);
  const auto with = [&](const std::string& text, std::initializer_list<const char*> words) {
    write_text(place.train, text);
    refused(place, words);
  };
  SECTION("a broken line") { with(good + "{\"prompt\": \"a\", \"chosen\"\n" + good, {"train.jsonl:3", "JSON"}); }
  SECTION("bytes that are no UTF-8") {
    with(good + "{\"prompt\": \"a\", \"chosen\": \"\xff\xfe\", \"rejected\": \"b\"}\n", {"train.jsonl:3", "UTF-8"});
  }
  SECTION("UTF-16") { with(std::string("\xff\xfe{\0\"\0", 6), {"train.jsonl", "UTF-8"}); }
  SECTION("a key is missing") { with(good + R"({"prompt": "a", "chosen": "b"})" + "\n", {"train.jsonl:3", "rejected"}); }
  SECTION("a number where a text should be") {
    with(good + R"({"prompt": "a", "chosen": 3, "rejected": "b"})" + "\n", {"train.jsonl:3", "chosen"});
  }
  SECTION("an empty completion") {
    with(good + R"({"prompt": "a", "chosen": "", "rejected": "b"})" + "\n", {"train.jsonl:3", "empty", "--drop-empty"});
  }
  SECTION("a list where an object should be") { with(good + "[1, 2]\n", {"train.jsonl:3"}); }
  SECTION("an empty file") { with("", {"train.jsonl", "empty"}); }
  SECTION("a file of empty lines") { with("\n\n", {"train.jsonl"}); }
  SECTION("every prompt fills max_length") {
    with(nlohmann::json{{"prompt", std::string(300, 'p')}, {"chosen", "a"}, {"rejected", "b"}}.dump() + "\n",
         {"train.jsonl", "max_length"});
  }
}

TEST_CASE("compressed examples") {
  workplace place("bad_gzip");
  place.leave_out("--train");
  const fs::path packed = place.folder / "train.jsonl.gz";
  SECTION("a file that is not compressed") {
    write_text(packed, "this is no gzip\n");
    refused(place, {"train.jsonl.gz"}, {"--train", packed});
  }
  SECTION("a file that is cut off") {
    write_text(packed, std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56", 12));
    refused(place, {"train.jsonl.gz"}, {"--train", packed});
  }
}

TEST_CASE("outputs that cannot be written") {
  workplace place("bad_output");
  place.leave_out("--output");
  write_text(place.folder / "a_file", "kept");
  SECTION("inside a file") { refused(place, {"a_file"}, {"--output", place.folder / "a_file" / "out"}); }
  SECTION("in the place of a file") { refused(place, {"a_file"}, {"--output", place.folder / "a_file"}); }
  SECTION("where nobody may write") { refused(place, {"/proc"}, {"--output", "/proc/tilt-out"}); }
  SECTION("over the model that is trained") {
    const std::string weights = contents(place.model / "model.safetensors");
    refused(place, {"--output", "--model"}, {"--output", place.folder / "." / "model"});
    CHECK((contents(place.model / "model.safetensors") == weights));
  }
  SECTION("over the reference model") {
    write_tiny_model(place.folder / "other", 2);
    refused(place, {"--output", "--reference-model"}, {"--reference-model", place.folder / "other", "--output", place.folder / "other"});
  }
  CHECK(contents(place.folder / "a_file") == "kept");
}

namespace {

/// The last line says which file did not fit; nothing is there in part.
void runs_out_of_space(const outcome& result, const fs::path& output, const char* file) {
  INFO(result.err);
  CHECK(result.status == 2);
  const std::string last = result.err.substr(result.err.rfind('\n', result.err.size() - 2) + 1);
  CHECK(last.rfind("tilt: ", 0) == 0);
  CHECK(last.find(file) != std::string::npos);
  CHECK(last.find("free space") != std::string::npos);
  for (const auto& entry : fs::recursive_directory_iterator(output)) {
    INFO("left over: " << entry.path());
    CHECK(entry.path().filename() == "metrics.jsonl");
  }
}

/// A file system of so many kilobytes, for as long as it lives.
struct small_disk {
  small_disk(fs::path at, int kilobytes) : place(std::move(at)) {
    fs::create_directories(place);
    const std::string size = "size=" + std::to_string(kilobytes) + "k";
    mounted = ::mount("tilt-test", place.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~small_disk() {
    if (mounted) ::umount(place.c_str());
  }
  fs::path place;
  bool mounted = false;
};

}  // namespace

TEST_CASE("a disk that is full") {
  workplace place("bad_full");
  SECTION("files may not grow") {  // the weights take 30 kB, the log 2
    runs_out_of_space(place.run({"--logging-steps", "1"}, {.largest_file = 8192}), place.output, "model.safetensors");
  }
  SECTION("files may not grow, at a checkpoint") {
    runs_out_of_space(place.run({"--save-steps", "1"}, {.largest_file = 8192}), place.output, "checkpoint-1");
  }
}

TEST_CASE("a disk that has no room") {
  workplace place("bad_disk");
  const small_disk disk(place.folder / "disk", 32);
  if (!disk.mounted) TILT_SKIP("mounting a small disk needs rights that this user has not");
  place.leave_out("--output");
  runs_out_of_space(place.run({"--output", disk.place / "out"}), disk.place / "out", "out");
}

TEST_CASE("a standard output that has no room") {
  if (!fs::exists("/dev/full")) TILT_SKIP("there is no /dev/full");
  const workplace place("bad_stdout");
  const outcome full = tilt_program(place.folder, {"score", "--model", place.model, "--data", place.train}, {.output = "/dev/full"});
  INFO(full.err);
  CHECK(full.status == 2);
  CHECK(full.err.find("standard output") != std::string::npos);
}

TEST_CASE("checkpoints that cannot be resumed") {
  const workplace place("bad_resume");
  SECTION("there is none") { refused(place, {"nowhere"}, {"--resume", place.folder / "nowhere"}); }
  SECTION("of another run") {
    REQUIRE(place.run({"--save-steps", "1"}).status == 0);
    const std::string model = contents(place.output / "model.safetensors"), log = contents(place.output / "metrics.jsonl");
    refuses(place.run({"--save-steps", "1"}), {"--resume"});  // it would mix two runs
    refuses(place.run({"--resume", "--save-steps", "1", "--seed", "7"}), {"seed"});
    refuses(place.run({"--resume", "--save-steps", "1", "--loss-type", "ipo"}), {"loss"});
    refuses(place.run({"--resume", "--save-steps", "1", "--dtype", "float64"}), {"float32"});
    write_text(place.train, tiny_pairs(7));
    refuses(place.run({"--resume", "--save-steps", "1"}), {"data"});
    write_text(place.train, tiny_pairs(6));
    write_tiny_model(place.model, 2);
    refuses(place.run({"--resume", "--save-steps", "1"}), {"reference"});
    CHECK((contents(place.output / "model.safetensors") == model));
    CHECK((contents(place.output / "metrics.jsonl") == log));
  }
  SECTION("damaged") {
    REQUIRE(place.run({"--save-steps", "2"}).status == 0);
    const fs::path file = place.output / "checkpoint-2" / "state.safetensors";
    write_text(file, contents(file).substr(0, 1000));
    refuses(place.run({"--resume", "--save-steps", "2"}), {"state.safetensors"});
  }
}
