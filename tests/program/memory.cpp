// SPDX-License-Identifier: Apache-2.0
// What the program says of its memory, and what it then takes.
#include <cmath>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "tiny_model.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;
using nlohmann::json;

TEST_CASE("a plan tells the peak of memory before it is there") {
  const fs::path model = data_folder() / "stories260K", folder = scratch_folder("plan");
  TILT_SKIP_WITHOUT(model);
  const auto pairs = [](int count, std::size_t longest) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      std::string prompt = "Once upon a time there were " + std::to_string(i) + " cats.", chosen = " They were happy. ",
                  rejected = " They ran.";
      prompt.append(static_cast<std::size_t>(20 * i), 'm');
      chosen.append(longest, 'a');
      rejected.append(longest - static_cast<std::size_t>(10 * i), 'b');
      text += json{{"prompt", prompt}, {"chosen", chosen}, {"rejected", rejected}}.dump() + "\n";
    }
    return text;
  };
  write_text(folder / "pairs.jsonl", pairs(16, 300));
  write_text(folder / "held_out.jsonl", pairs(9, 400));
  const auto check = [&](const std::string& method, const std::vector<std::string>& more, const std::vector<std::string>& parts) {
    const fs::path output = folder / "run";
    fs::remove_all(output);
    std::vector<std::string> arguments{method, "--model", model, "--train", folder / "pairs.jsonl", "--output", output, "--max-steps", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<std::string> planning = arguments;
    planning.push_back("--plan");
    const outcome planned = tilt_program(folder, planning);
    INFO(method << ":\n" << planned.out << planned.err);
    REQUIRE(planned.status == 0);
    CHECK_FALSE(fs::exists(output));
    for (const std::string& part : parts)
      CHECK((planned.out.rfind(part, 0) == 0 || planned.out.find("\n" + part + " ") != std::string::npos));
    const auto line = planned.out.find("\npeak ");
    REQUIRE(line != std::string::npos);
    const double expected = std::stod(planned.out.substr(line + 6));
    const outcome ran = tilt_program(folder, arguments);
    INFO(ran.err);
    REQUIRE(ran.status == 0);
    CHECK(ran.err.find(" MB of memory are expected at the peak") != std::string::npos);
    const double measured = json::parse(contents(output / "train_results.json"))["peak_memory_mb"];
    INFO(expected << " MB expected, " << measured << " MB measured");
    CHECK(std::abs(expected - measured) <= std::max(16.0, 0.05 * measured));
    return measured;
  };
  const std::vector<std::string> always{"parameters",    "gradients", "optimizer", "arena",
                                        "  activations", "  logits",  "  scratch", "program and data"};
  const auto with = [&](const char* part) {
    std::vector<std::string> parts = always;
    parts.emplace_back(part);
    return parts;
  };
  const std::string eval = folder / "held_out.jsonl";
  const double kept = check("dpo", {}, with("reference"));
  CHECK(check("dpo", {"--gradient-checkpointing"}, with("reference")) < kept - 8);
  check("dpo", {"--eval", eval, "--reference", "online"}, with("inference"));
  check("kto", {"--eval", eval, "--eval-batch-size", "16"}, with("inference"));
  check("sft", {"--eval", eval, "--save-steps", "1"}, with("checkpoint"));
  check("reward", {"--eval", eval}, {"parameters", "gradients", "optimizer", "arena", "inference"});  // it has no logits
}

namespace {

/// A tiny model with so many words that its weights, which are zeros, are what memory goes to. Gives the file's MB.
double write_large_model(const fs::path& folder, long words) {
  write_tiny_model(folder);
  json config = tiny_config(), header;
  config["vocab_size"] = words;
  std::size_t end = 0;
  for (auto [name, tensor] : tiny_weights()) {
    if (name == "model.embed_tokens.weight") tensor.shape[0] = words;
    const std::size_t begin = end;
    std::size_t bytes = 4;
    for (const long extent : tensor.shape) bytes *= static_cast<std::size_t>(extent);
    end += bytes;
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // numbers lie where numbers may
  const std::string beginning = safetensors(text, "");
  write_text(folder / "config.json", config.dump());
  write_text(folder / "model.safetensors", beginning);
  fs::resize_file(folder / "model.safetensors", beginning.size() + end);  // not through this process's memory: a child's peak counts it
  return static_cast<double>(fs::file_size(folder / "model.safetensors")) / (1 << 20);
}

}  // namespace

TEST_CASE("score: the weights are the folder's file, of which there is no copy") {
  const fs::path folder = scratch_folder("mapped");
  const double file = write_large_model(folder, 1'000'000);
  write_text(folder / "data.jsonl", "{\"ids\": [256, 81, 257]}\n");
  const outcome scored = tilt_program(folder, {"score", "--model", folder, "--data", folder / "data.jsonl"});
  INFO(scored.err << scored.peak_memory_mb << " MB for a file of " << file << " MB");
  CHECK(scored.status == 0);
  CHECK(json_lines(scored.out).at(0)["tokens"] == 2);
  CHECK(scored.peak_memory_mb > file);
  CHECK(scored.peak_memory_mb < 1.8 * file);
}

TEST_CASE("a plan counts the weights of a reference that is read in place, once") {
  const fs::path folder = scratch_folder("plan_mapped");
  const double file = write_large_model(folder / "model", 300'000);
  write_text(folder / "pairs.jsonl", tiny_pairs(2));
  for (const std::vector<std::string>& more : {std::vector<std::string>{},
                                               {"--reference-model", folder / "model"},
                                               {"--reference", "online"},
                                               {"--reference-cache", folder / "cache"},
                                               {"--reference-cache", folder / "cache"}}) {
    fs::remove_all(folder / "run");
    std::vector<std::string> arguments{
        "dpo",          "--model", folder / "model", "--train", folder / "pairs.jsonl", "--output", folder / "run", "--max-steps", "1",
        "--batch-size", "1",       "--optim",        "sgd",     "--max-tokens",         "64"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<std::string> planning = arguments;
    planning.push_back("--plan");
    const outcome planned = tilt_program(folder, planning), ran = tilt_program(folder, arguments);
    INFO((more.empty() ? "alone" : more[0]) << planned.err << ran.err << " of a file of " << file << " MB");
    REQUIRE((planned.status == 0 && ran.status == 0));
    const double expected = std::stod(planned.out.substr(planned.out.find("\npeak ") + 6));
    INFO(planned.out << ran.peak_memory_mb << " MB measured");
    CHECK(std::abs(expected - ran.peak_memory_mb) <= std::max(16.0, 0.05 * ran.peak_memory_mb));
  }
}

TEST_CASE("only methods whose memory is known before they run have a plan") {
  const fs::path folder = scratch_folder("no_plan");
  for (const char* method : {"ppo", "grpo", "iterate"}) {
    const outcome refused = tilt_program(folder, {method, "--plan"});
    CHECK(refused.status == 2);
    CHECK(refused.err.find("--plan: is an option of tilt") != std::string::npos);
    CHECK(refused.err.find(std::string("tilt ") + method + " does not use it") != std::string::npos);
  }
}
