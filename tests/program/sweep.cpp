// SPDX-License-Identifier: Apache-2.0
// tilt sweep: a run for each point of a grid, what is compared, what is kept, and what a sweep that was killed loses.
#include <sys/file.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <set>
#include <utility>

#include "killing.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "tiny_model.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;
using nlohmann::json;

namespace {

struct sweep_place {
  explicit sweep_place(const char* name) : folder(scratch_folder(name)) {
    write_tiny_model(folder / "model");
    write_text(folder / "train.jsonl", tiny_pairs(11));
    write_text(folder / "eval.jsonl", tiny_pairs(3, 20));
    write_run("");
  }
  /// The shared options, and some more of them.
  void write_run(const std::string& further, int max_steps = 6) const {
    write_text(folder / "run.json", R"({"model": ")" + (folder / "model").string() + R"(", "train": ")" +
                                        (folder / "train.jsonl").string() + R"(", "eval": ")" + (folder / "eval.jsonl").string() +
                                        R"(", "batch_size": 2, "learning_rate": 1e-2, "logging_steps": 1, "threads": 1, "max_steps": )" +
                                        std::to_string(max_steps) + further + "}");
  }
  outcome run(const std::string& output, const std::vector<std::string>& grid, const std::vector<std::string>& more = {},
              const run_options& options = {}) const {
    std::vector<std::string> arguments{"sweep", "--run", (folder / "run.json").string(), "--output", (folder / output).string(), "--grid"};
    arguments.insert(arguments.end(), grid.begin(), grid.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return tilt_program(folder, arguments, options);
  }
  fs::path folder;
};

}  // namespace

TEST_CASE("sweep: each cell is the run of its options, and the table and the picture are made of them") {
  const sweep_place place("sweep");
  const outcome swept = place.run("sweep", {"beta=0.1,1", "learning_rate=1e-2,1e-3", "seed=1,2"});
  INFO(swept.err);
  REQUIRE(swept.status == 0);
  const std::string cell = "beta=1,learning_rate=1e-3,seed=2";
  const outcome alone =
      tilt_program(place.folder, {"dpo", "--config", (place.folder / "run.json").string(), "--beta", "1", "--learning-rate", "1e-3",
                                  "--seed", "2", "--output", (place.folder / "alone").string()});
  REQUIRE(alone.status == 0);
  CHECK(contents(place.folder / "sweep/cells" / cell / "metrics.jsonl") == contents(place.folder / "alone/metrics.jsonl"));
  CHECK_FALSE(fs::exists(place.folder / "sweep/cells" / cell / "model.safetensors"));

  // Of every cell the last evaluation; of seeds the mean and its standard error, in the table's row.
  double losses[2];
  for (int seed = 1; seed <= 2; ++seed) {
    const fs::path folder = place.folder / "sweep/cells" / ("beta=1,learning_rate=1e-3,seed=" + std::to_string(seed));
    double last = 0;
    for (const json& line : json_lines(contents(folder / "metrics.jsonl")))
      if (line.contains("eval_loss")) last = line["eval_loss"];
    CHECK(json::parse(contents(folder / "result.json"))["metrics"]["eval_loss"] == last);
    losses[seed - 1] = last;
  }
  CHECK(losses[0] != losses[1]);
  char row[64];
  std::snprintf(row, sizeof row, "%.4f ± %.4f", (losses[0] + losses[1]) / 2, std::abs(losses[0] - losses[1]) / 2);
  CHECK(swept.out.find(row) != std::string::npos);
  CHECK(contents(place.folder / "sweep/report.txt") == swept.out);
  CHECK(contents(place.folder / "sweep/sweep.svg").find("log10 of beta") != std::string::npos);
  const std::string table = contents(place.folder / "sweep/sweep.tsv");
  CHECK(std::count(table.begin(), table.end(), '\n') == 9);

  SECTION("what is there is not run again, and the grid can grow") {
    const auto before = fs::last_write_time(place.folder / "sweep/cells" / cell / "result.json");
    const outcome more = place.run("sweep", {"beta=0.1,1,2", "learning_rate=1e-2,1e-3", "seed=1,2"}, {"--resume"});
    INFO(more.err);
    CHECK(more.status == 0);
    CHECK(fs::last_write_time(place.folder / "sweep/cells" / cell / "result.json") == before);
    CHECK(fs::exists(place.folder / "sweep/cells/beta=2,learning_rate=1e-3,seed=2/result.json"));
  }
  SECTION("not in the place of another sweep, nor on with other shared options") {
    CHECK(place.run("sweep", {"beta=1"}).err.find("holds a sweep already; go on with it by --resume") != std::string::npos);
    place.write_run(R"(, "weight_decay": 0.1)");
    const outcome other = place.run("sweep", {"beta=1"}, {"--resume"});
    CHECK(other.status == 2);
    CHECK(other.err.find("--run: the sweep in ") != std::string::npos);
  }
}

TEST_CASE("sweep: a run that fails is a result, and flags and losses are options too") {
  const sweep_place place("sweep_fails");
  place.write_run(R"(, "max_grad_norm": 0)");
  const outcome swept =
      place.run("sweep", {"learning_rate=1e-3,1e30", "loss_type=sigmoid,ipo", "shuffle=true,false"}, {"--metric", "eval_rewards/margins"});
  INFO(swept.err);
  INFO(swept.out);
  CHECK(swept.status == 0);
  const json failed = json::parse(contents(place.folder / "sweep/cells/learning_rate=1e30,loss_type=ipo,shuffle=true/result.json"));
  CHECK(failed.contains("failure"));
  CHECK(swept.out.find("(1 failed)") != std::string::npos);
  CHECK(swept.out.find(" failed: learning_rate=1e30,loss_type=ipo,shuffle=true: ") != std::string::npos);
}

TEST_CASE("sweep: killed at any moment it goes on to the same numbers") {
  const sweep_place place("sweep_killed");
  place.write_run(R"(, "save_steps": 1)");
  const std::vector<std::string> grid{"beta=0.1,1", "learning_rate=1e-2,1e-3"};
  const outcome whole = place.run("whole", grid);
  REQUIRE(whole.status == 0);
  kill_at_random_moments(
      3, place.folder / "killed", whole.seconds,
      [&](double after) { return place.run("killed", grid, {"--resume"}, {.kill_after = after}); },
      [&] {
        int cells = 0;
        for (const auto& cell : fs::directory_iterator(place.folder / "whole/cells")) {
          if (!fs::is_directory(cell)) continue;
          ++cells;
          const std::string metrics = contents(cell.path() / "metrics.jsonl");
          CHECK(metrics.size() > 100);
          CHECK((metrics == contents(place.folder / "killed/cells" / cell.path().filename() / "metrics.jsonl")));
        }
        CHECK(cells == 4);
      });
}

TEST_CASE("sweep: a signal is its run's too, which saves what it has") {
  const sweep_place place("sweep_signal");
  place.write_run("", 600);
  const std::vector<std::string> grid{"beta=0.1,1"};
  REQUIRE(place.run("whole", grid).status == 0);
  for (const auto& [signal, to_all] : {std::pair(SIGINT, false), {SIGTERM, false}, {SIGINT, true}, {SIGTERM, true}}) {
    const std::string name = "stopped_" + std::to_string(signal) + (to_all ? "_all" : "");
    const fs::path cell = place.folder / name / "cells/beta=0.1";
    outcome stopped;
    until_met([&] {
      fs::remove_all(place.folder / name);
      stopped = place.run(name, grid, {}, {.signal = signal, .signal_when = cell / "metrics.jsonl", .to_all = to_all});
      return !fs::exists(cell / "result.json");
    });
    INFO(stopped.err);
    CHECK(stopped.status == 130);
    CHECK(stopped.err.find("tilt: interrupted; go on by the same command with --resume\n") != std::string::npos);
    CHECK(std::count_if(fs::directory_iterator(cell), {}, [](const fs::directory_entry& entry) { return entry.is_directory(); }) == 1);
    for (const auto& left : fs::directory_iterator(cell)) CHECK(left.path().string().find(".tmp") == std::string::npos);
    CHECK(place.run(name, grid, {"--resume"}).status == 0);
    CHECK((contents(place.folder / name / "sweep.tsv").size() > 0));
    for (const char* one : {"beta=0.1", "beta=1"}) {
      const fs::path metrics = fs::path("cells") / one / "metrics.jsonl";
      CHECK((contents(place.folder / name / metrics) == contents(place.folder / "whole" / metrics)));
    }
  }
}

TEST_CASE("sweep: while it waits for another one it can be interrupted") {
  const sweep_place place("sweep_waits");
  const std::vector<std::string> grid{"beta=0.1,1"};
  REQUIRE(place.run("one", grid).status == 0);
  const int lock = ::open((place.folder / "one/lock").c_str(), O_RDWR);
  REQUIRE(lock >= 0);
  REQUIRE(::flock(lock, LOCK_EX | LOCK_NB) == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    fs::remove(place.folder / "stderr");
    const outcome stopped = place.run("one", grid, {"--resume"}, {.signal = signal, .signal_when = place.folder / "stderr"});
    CHECK(stopped.status == 130);
    CHECK(stopped.err.find("tilt: waiting for another sweep in the same folder\ntilt: interrupted; ") == 0);
  }
  ::close(lock);
}

TEST_CASE("sweep: what cannot be used is refused before a run") {
  const sweep_place place("sweep_bad");
  const auto refused = [&](const std::vector<std::string>& grid, const std::string& sentence, const std::vector<std::string>& more = {}) {
    const outcome o = place.run("bad", grid, more);
    INFO(o.err);
    CHECK(o.status == 2);
    CHECK(o.err.find(sentence) != std::string::npos);
    CHECK_FALSE(fs::exists(place.folder / "bad"));
  };
  refused({"beta"}, "--grid: \"beta\" names no option; give an option and its values");
  refused({"beta=0.1,,2"}, "has an empty value");
  refused({"beta=0.1,0.1"}, "has a value twice");
  refused({"bata=0.1"}, "--grid: tilt dpo has no option bata; did you mean beta?");
  refused({"beta=1", "beta=2"}, "--grid: beta is given twice");
  refused({"output=a,b"}, "--grid: output is the sweep's own");
  refused({"seed=1,2"}, "seeds alone are repetitions");
  refused({"shuffle=yes"}, "--grid: shuffle is true or false");
  refused({"beta=1"}, "dpo, kto, sft, reward", {"--method", "dop"});
  refused({"learning_rate=1e-3,1e-2", "beta=0.1,-1"}, "cell learning_rate=1e-3,beta=-1: --beta: ");
  refused({"label_smoothing=0,0.1", "loss_type=sigmoid,ipo"},
          "cell label_smoothing=0,loss_type=ipo: --label-smoothing: the loss ipo does not use it; ");
  const std::vector<std::string> by_loss{"loss_type=simpo,sigmoid"};  // of which the first has no reference to be far from
  CHECK(place.run("by_loss", by_loss, {"--metric", "eval_kl"}).status == 0);
  CHECK(place.run("neither", by_loss, {"--metric", "eval_los"}).err.find("--metric: no cell has") != std::string::npos);
  const outcome unknown = place.run("unknown", {"beta=0.1,0.2,0.3"}, {"--metric", "eval_los"});
  CHECK(unknown.status == 2);
  CHECK(unknown.err.find(
            "--metric: no cell has \"eval_los\"; did you mean eval_loss? (the runs so far are kept: correct it and add --resume)") !=
        std::string::npos);
  CHECK(fs::exists(place.folder / "unknown/cells/beta=0.1/result.json"));  // which is there for a sweep that goes on
  CHECK_FALSE(fs::exists(place.folder / "unknown/cells/beta=0.2"));
  CHECK(place.run("unknown", {"beta=0.1,0.2,0.3"}, {"--metric", "eval_loss", "--resume"}).status == 0);
  const outcome missing =
      tilt_program(place.folder, {"sweep", "--run", "none.json", "--output", (place.folder / "none").string(), "--grid", "beta=1"});
  CHECK(missing.status == 2);
  CHECK(missing.err.find("none.json: cannot be opened") != std::string::npos);
  CHECK_FALSE(fs::exists(place.folder / "none"));
}
