// SPDX-License-Identifier: Apache-2.0
// Stopping and going on: a run that was interrupted, in whatever way, ends in the bits of one that was not.
#include <algorithm>
#include <iterator>
#include <limits>
#include <tilt/io/safetensors.hpp>

#include "killing.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"
#include "tiny_model.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;

namespace {

struct resumable {
  explicit resumable(const char* name, std::vector<std::string> method) : folder(scratch_folder(name)), arguments(std::move(method)) {
    write_tiny_model(folder / "model");
    write_text(folder / "train.jsonl", tiny_pairs(11));
    write_text(folder / "eval.jsonl", tiny_pairs(3, 20));
    for (const std::string& a :
         {std::string("--model"), (folder / "model").string(), std::string("--train"), (folder / "train.jsonl").string(),
          std::string("--eval"), (folder / "eval.jsonl").string(), std::string("--batch-size"), std::string("2"),
          std::string("--learning-rate"), std::string("1e-2"), std::string("--max-steps"), std::string("9"), std::string("--logging-steps"),
          std::string("2"), std::string("--eval-steps"), std::string("4")})
      arguments.push_back(a);
  }
  outcome run(const std::string& output, std::vector<std::string> more = {}, double kill_after = 0) const {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"--output", folder / output});
    all.insert(all.end(), more.begin(), more.end());
    return tilt_program(folder, all, {.kill_after = kill_after});
  }
  void same(const std::string& a, const std::string& b) const {
    for (const char* file : {"model.safetensors", "metrics.jsonl"}) {
      INFO(file << " of " << a << " and " << b);
      const std::string left = contents(folder / a / file), right = contents(folder / b / file);
      CHECK(left.size() > 100);
      CHECK((left == right));
    }
  }

  fs::path folder;
  std::vector<std::string> arguments;
};

void works(const outcome& result) {
  INFO(result.err);
  CHECK(result.status == 0);
}

}  // namespace

TEST_CASE("resuming at any checkpoint ends in the same bits") {
  for (const char* loss : {"sigmoid", "ipo"}) {
    const resumable runs("resume_dpo", {"dpo", "--loss-type", loss});
    works(runs.run("whole"));
    works(runs.run("saved", {"--save-steps", "3"}));
    runs.same("whole", "saved");
    for (const char* step : {"3", "6", "9"}) {
      fs::remove_all(runs.folder / "again");
      fs::copy(runs.folder / "saved", runs.folder / "again", fs::copy_options::recursive);
      works(runs.run("again", {"--save-steps", "3", "--resume", runs.folder / "again" / ("checkpoint-" + std::string(step))}));
      runs.same("whole", "again");
    }
    works(runs.run("saved", {"--save-steps", "3", "--resume"}));  // nothing is left to do
    runs.same("whole", "saved");
  }
}

TEST_CASE("a run may be resumed with other threads, packs and reference modes, and with layers that are computed again") {
  const resumable runs("resume_modes", {"dpo"});
  works(runs.run("whole", {"--threads", "1"}));
  works(runs.run("part", {"--save-steps", "4", "--threads", "1"}));
  fs::remove_all(runs.folder / "part" / "checkpoint-8");
  works(runs.run("part", {"--resume", "--threads", "2", "--max-tokens", "40", "--reference", "online", "--gradient-checkpointing"}));
  runs.same("whole", "part");
}

TEST_CASE("without a checkpoint --resume begins at the beginning") {
  const resumable runs("resume_none", {"dpo"});
  works(runs.run("whole"));
  works(runs.run("fresh", {"--resume"}));
  runs.same("whole", "fresh");
}

TEST_CASE("a run may be resumed on another backend, whose rounding is its own") {
  const resumable runs("resume_backends", {"dpo", "--dtype", "float64"});
  if (tilt_program(runs.folder, {"backends"}).out.find("eigen") == std::string::npos) TILT_SKIP("the backend eigen was not compiled in");
  const auto weights = [&](const char* output) {
    std::vector<double> all;
    const tilt::safetensors_file file(runs.folder / output / "model.safetensors");
    for (const auto& [name, tensor] : file.tensors())
      for (const double w : tensor.values<double>()) all.push_back(w);
    return all;
  };
  works(runs.run("whole", {"--backend", "reference"}));
  works(runs.run("part", {"--backend", "reference", "--save-steps", "4"}));
  fs::remove_all(runs.folder / "part" / "checkpoint-8");
  fs::copy(runs.folder / "part", runs.folder / "same", fs::copy_options::recursive);
  works(runs.run("same", {"--backend", "reference", "--resume"}));
  runs.same("whole", "same");
  works(runs.run("part", {"--backend", "eigen", "--resume"}));
  const auto a = weights("whole"), b = weights("part");
  // Weights are written as float32: what rounding in float64 has moved shows in its last place at most.
  CHECK(all_close(a, b, 2 * std::numeric_limits<float>::epsilon(), largest(a)));
  CHECK(json_lines(contents(runs.folder / "part" / "metrics.jsonl")).size() ==
        json_lines(contents(runs.folder / "whole" / "metrics.jsonl")).size());
}

TEST_CASE("interrupted, a run saves what it has and says how to go on") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const resumable runs("resume_interrupted", {"dpo"});
    // Long enough to be interrupted on the way.
    std::vector<std::string> longer = runs.arguments;
    *std::next(std::find(longer.begin(), longer.end(), "--max-steps")) = "600";
    const auto run = [&](const char* output, std::vector<std::string> more, const run_options& options) {
      std::vector<std::string> all = longer;
      all.insert(all.end(), {"--output", runs.folder / output});
      all.insert(all.end(), more.begin(), more.end());
      return tilt_program(runs.folder, all, options);
    };
    works(run("whole", {}, {}));
    const fs::path stopped = runs.folder / "stopped";
    outcome first;
    until_met([&] {
      fs::remove_all(stopped);
      first = run("stopped", {}, {.signal = signal, .signal_when = stopped / "metrics.jsonl"});
      return first.status != 0;
    });
    INFO(first.err);
    CHECK(first.status == 130);
    CHECK(first.err.find("interrupted") != std::string::npos);
    CHECK(first.err.find("--resume") != std::string::npos);
    CHECK_FALSE(fs::exists(stopped / "model.safetensors"));
    int checkpoints = 0;
    for (const auto& entry : fs::directory_iterator(stopped)) {
      if (!entry.is_directory()) continue;
      ++checkpoints;
      CHECK(first.err.find(entry.path().string()) != std::string::npos);
      CHECK(fs::exists(entry.path() / "model.safetensors"));  // a model folder too
    }
    CHECK(checkpoints == 1);
    works(run("stopped", {"--resume"}, {}));
    runs.same("whole", "stopped");
  }
}

TEST_CASE("interrupted before its first step, a run leaves no output") {
  const resumable runs("resume_reference", {"dpo"});
  write_text(runs.folder / "train.jsonl", tiny_pairs(20000));  // which take the reference long enough
  std::vector<std::string> all = runs.arguments;
  all.insert(all.end(), {"--output", runs.folder / "out", "--reference-cache", runs.folder / "cache"});
  for (const int signal : {SIGINT, SIGTERM}) {
    fs::remove(runs.folder / "stderr");
    const outcome stopped = tilt_program(runs.folder, all, {.signal = signal, .signal_when = runs.folder / "stderr"});
    INFO(stopped.err);
    CHECK(stopped.status == 130);
    CHECK(stopped.err.find("tilt: interrupted; the same command may be given again\n") != std::string::npos);
    CHECK_FALSE(fs::exists(runs.folder / "out"));
  }
}

TEST_CASE("killed at random moments, a run loses nothing") {
  const resumable runs("resume_killed", {"dpo", "--save-steps", "1", "--save-total-limit", "2"});
  const outcome whole = runs.run("whole");
  works(whole);
  kill_at_random_moments(
      kills_asked(12), runs.folder / "killed", whole.seconds, [&](double after) { return runs.run("killed", {"--resume"}, after); },
      [&] { runs.same("whole", "killed"); });
}
