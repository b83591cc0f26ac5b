// SPDX-License-Identifier: Apache-2.0
// Every loss that the program knows trains a real model on real pairs for 20 steps, on two backends alike.
#include <algorithm>
#include <cmath>
#include <sstream>
#include <tilt/loss/losses.hpp>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;
using nlohmann::json;

namespace {

/// The first rows of a file, short enough to be quick, with all the columns that any loss reads.
std::string rows_of(const fs::path& file, std::size_t count, const json& columns) {
  std::istringstream lines(contents(file));
  std::string line, text;
  for (std::size_t i = 0; i < count && std::getline(lines, line); ++i) {
    json row = json::parse(line);
    row.update(columns);
    text += row.dump() + "\n";
  }
  return text;
}

std::vector<json> log_of(const fs::path& folder) {
  std::istringstream lines(contents(folder / "metrics.jsonl"));
  std::vector<json> log;
  for (std::string line; std::getline(lines, line);) log.push_back(json::parse(line));
  return log;
}

}  // namespace

TEST_CASE("golden losses: every one trains stories260K for 20 steps, on two backends alike") {
  const fs::path runs = golden_folder() / "runs", model = data_folder() / "stories260K";
  TILT_SKIP_WITHOUT(runs);
  TILT_SKIP_WITHOUT(model);
  const fs::path folder = scratch_folder("all_losses");
  const std::string known = tilt_program(folder, {"backends"}).out;
  std::vector<std::string> backends;
  for (const char* name : {"eigen", "thrust", "xtensor", "reference"})
    if (known.find(std::string("\n ") + name + " ") != std::string::npos && backends.size() < 2) backends.emplace_back(name);
  REQUIRE(backends.size() == 2);
  write_text(folder / "pairs.jsonl", rows_of(runs / "dpo_sigmoid" / "train.jsonl", 20, json::object()));
  write_text(folder / "scored.jsonl", rows_of(runs / "dpo_sigmoid" / "train.jsonl", 20, {{"score_chosen", 1.5}, {"score_rejected", 0.25}}));
  write_text(folder / "verdicts.jsonl", rows_of(runs / "kto" / "train.jsonl", 20, json::object()));

  std::size_t trained = 0;
  for (const tilt::loss_description& loss : tilt::loss_table()) {
    const std::string name(loss.name), data = loss.data == "labelled"                      ? "verdicts"
                                              : loss.data.find("scores") != loss.data.npos ? "scored"
                                                                                           : "pairs";
    CAPTURE(name);
    std::vector<std::vector<json>> logs;
    for (const std::string& backend : backends) {
      const fs::path output = folder / (name + "-" + backend);
      const outcome run = tilt_program(folder, {loss.data == "labelled" ? "kto" : "dpo",
                                                "--model",
                                                model,
                                                "--train",
                                                folder / (data + ".jsonl"),
                                                "--output",
                                                output,
                                                "--loss-type",
                                                name,
                                                "--max-steps",
                                                "20",
                                                "--batch-size",
                                                "2",
                                                "--max-length",
                                                "256",
                                                "--learning-rate",
                                                "1e-5",
                                                "--logging-steps",
                                                "1",
                                                "--lr-scheduler-type",
                                                "constant",
                                                "--dtype",
                                                "float64",
                                                "--backend",
                                                backend});
      INFO(run.err);
      REQUIRE(run.status == 0);
      logs.push_back(log_of(output));
      fs::remove_all(output);
    }
    REQUIRE(logs[0].size() == 20);
    REQUIRE(logs[1].size() == 20);
    // Where a comparison of two responses is a toss-up, rounding decides it; what is asked is the numbers' agreement.
    const double allowed = 1e8 * tolerance<double>::value;
    for (std::size_t step = 0; step < 20; ++step) {
      REQUIRE(logs[0][step].size() == logs[1][step].size());
      for (const auto& [key, value] : logs[0][step].items()) {
        if (!value.is_number()) continue;
        INFO(key << " of step " << step + 1);
        const double a = value.get<double>(), b = logs[1][step].at(key).get<double>();
        CHECK(std::isfinite(a));
        CHECK(std::abs(a - b) <= allowed * std::max(1.0, std::abs(a)));
      }
    }
    ++trained;
  }
  CHECK(trained == tilt::loss_table().size());
}
