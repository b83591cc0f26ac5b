// SPDX-License-Identifier: Apache-2.0
#pragma once
// What cannot be used: one sentence on standard error that says where and why, exit status 2, and nothing written.
#include <algorithm>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "tiny_model.hpp"

namespace tilt::test {

namespace fs = std::filesystem;

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
inline void refuses(const outcome& result, std::initializer_list<const char*> words) {
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
inline void writes_nothing(const workplace& place) {
  INFO("the output folder is there");
  CHECK_FALSE(fs::exists(place.output));
  for (const auto& file : fs::recursive_directory_iterator(place.folder)) {
    INFO("left over: " << file.path());
    CHECK(file.path().string().find(".tmp-") == std::string::npos);
  }
}
inline void refused(const workplace& place, std::initializer_list<const char*> words, std::vector<std::string> more = {}) {
  refuses(place.run(std::move(more)), words);
  writes_nothing(place);
}

}  // namespace tilt::test
