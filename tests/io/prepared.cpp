// SPDX-License-Identifier: Apache-2.0
// The data of the golden runs, read and tokenised: as many logical tokens as TRL counted.
#include <tilt/io/model_folder.hpp>

#include "support/catch.hpp"
#include "support/paths.hpp"

TEST_CASE("golden data: prompts and responses have as many tokens as TRL counted") {
  const auto runs = tilt::test::golden_folder() / "runs";
  TILT_SKIP_WITHOUT(runs);
  TILT_SKIP_WITHOUT(tilt::test::data_folder() / "stories260K");
  const tilt::model_folder folder(tilt::test::data_folder() / "stories260K");
  for (const auto& entry : std::filesystem::directory_iterator(runs)) {
    const nlohmann::json run = tilt::read_json(entry.path() / "run.json");
    const auto& options = run["options"];
    if (!run.contains("log") || run["log"].empty() || !run["log"][0].contains("num_tokens") || options.value("train_sampling_strategy", "sequential") != "sequential") continue;
    if (run["log"][0].value("step", 0) != 1) continue;
    INFO(entry.path().filename().string());
    const auto examples = tilt::read_examples(entry.path() / "train.jsonl");
    const tilt::tokenize_options limits{.max_length = options.value("max_length", 1024)};
    const auto kind = examples[0].kind;
    const auto data = kind == tilt::example_kind::pair         ? tilt::tokenize_pairs(examples, folder.encoder(), limits)
                      : kind == tilt::example_kind::labelled ? tilt::tokenize_labelled(examples, folder.encoder(), limits)
                                                             : tilt::tokenize_demonstrations(examples, folder.encoder(), limits);
    const std::size_t first = options.value("per_device_train_batch_size", std::size_t{8}) * options.value("gradient_accumulation_steps", std::size_t{1});
    double tokens = 0;
    for (std::size_t i = 0; i < std::min(first, data.trees.size()); ++i)
      for (const auto& response : data.trees[i].responses) tokens += static_cast<double>(data.trees[i].prompt.size() + response.tokens.size());
    CHECK(tokens == run["log"][0]["num_tokens"].get<double>());
  }
}
