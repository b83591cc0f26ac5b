// SPDX-License-Identifier: Apache-2.0
// tilt sweep: a training for each point of a grid of options, each a process and a folder of its own.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <tilt/io/file.hpp>
#include <vector>

#include "commands.hpp"
#include "interruption.hpp"
#include "nearest.hpp"
#include "progress.hpp"
#include "run_self.hpp"
#include "setting_text.hpp"
#include "settings.hpp"
#include "sweep_report.hpp"

namespace tilt::program {
namespace {

namespace fs = std::filesystem;

constexpr const char* more = R"(
--run is a file of options as --config of the method takes it, with the model, the data and what all cells share. A cell is a run of
the method with these and its own; cells that differ in seed alone are averaged. A sweep that was ended goes on with --resume, within a
cell too if the file has save_steps; values that are added to the grid later are further cells.

  tilt sweep --method dpo --run dpo.yaml --grid beta=0.05,0.1,0.5 learning_rate=1e-6,1e-5 seed=1,2,3 --output sweep)";

/// Keeps a folder to one sweep at a time, its run included: the lock is the run's too, and outlives a sweep that was killed until the run
/// has saved.
class folder_lock {
 public:
  explicit folder_lock(const fs::path& file) : descriptor_(::open(file.c_str(), O_RDWR | O_CREAT, 0644)) {
    if (descriptor_ < 0) throw input_error(file.string() + ": cannot be written (" + std::strerror(errno) + "); give another --output");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    std::fprintf(stderr, "tilt: waiting for another sweep in the same folder\n");
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EINTR && errno != EWOULDBLOCK) give_up(error(file.string() + ": cannot be locked (" + std::strerror(errno) + ")"));
      if (interruption::noted() != 0) give_up(interrupted());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  folder_lock(const folder_lock&) = delete;
  ~folder_lock() { ::close(descriptor_); }

 private:
  template <class Reason> [[noreturn]] void give_up(const Reason& reason) {
    ::close(descriptor_);
    throw reason;
  }
  int descriptor_;
};

std::string contents_of(const fs::path& path) {
  const mapped_file file(path);
  return std::string(file.text());
}

struct sweep_command {
  explicit sweep_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("run", run_file, "options that all cells share: JSON or YAML, as --config of the method takes it", "FILE");
    options.add("output", output, "the cells' folders, and sweep.tsv, sweep.svg and report.txt", "FOLDER");
    options.group("Grid");
    options.choice(
        "method", methods(), "dpo", [this](const std::string& name) { method = name; }, "the subcommand that trains a cell");
    options.add("grid", grid, "OPTION=VALUE,VALUE,… one or more; the first is the picture's axis");
    options.add("metric", metric, "what the picture shows [eval_loss, or loss where nothing is evaluated]");
    options.add("keep_models", keep_models, "keep each cell's model and checkpoints, instead of its metrics alone");
    options.add("resume", resume, "go on with the sweep in --output");
  }

  static std::vector<std::string> methods() { return {"dpo", "kto", "sft", "reward", "ppo", "rloo", "grpo", "reinforce"}; }

  int run() {
    options.apply();
    options.require("run", "a file with the model, the data and the options that all cells share");
    options.require("output", "a folder for the cells");
    options.require("grid", "an option and its values, as in beta=0.05,0.1,0.5");
    const std::vector<grid_axis> axes = checked_axes();
    const std::vector<grid_cell> cells = cells_of(axes);
    const interruption stop;
    const mapped_file readable(run_file);  // before anything is made
    hold_against_note();
    for (const grid_cell& cell : cells) check(cell);
    begin_folder();
    const folder_lock lock(fs::path(output) / "lock");
    claim_folder();

    // Whether all runs have the metrics of the first.
    const bool alike = std::none_of(axes.begin(), axes.end(),
                                    [](const grid_axis& axis) { return axis.option == "loss_type" || axis.option.starts_with("eval"); });
    std::vector<cell_result> results;
    progress bar("sweep", static_cast<index>(cells.size()), {.unit = "cells"});
    for (const grid_cell& cell : cells) {
      const fs::path file = folder(cell) / "result.json";
      if (!fs::exists(file)) {
        bar.update(static_cast<index>(results.size()), cell.name());
        if (interruption::noted() != 0 || !train(cell)) {
          std::fprintf(stderr, "tilt: interrupted; go on by the same command with --resume\n");
          return 130;
        }
      }
      results.push_back(read_result(cell, file));
      if (alike) check_metric(results);
    }
    bar.update(static_cast<index>(results.size()));
    bar.finish();
    return report(axes, results);
  }

 private:
  settings& own_settings() const {
    for (settings* some : settings::everywhere())
      if (some->command() == method) return *some;
    throw error("sweep: no subcommand " + method);
  }

  std::vector<grid_axis> checked_axes() const {
    const std::vector<std::string> known = own_settings().names(true);
    std::vector<grid_axis> axes;
    for (const std::string& text : grid) {
      axes.push_back(grid_axis_of(text));
      const std::string& option = axes.back().option;
      for (const char* held : {"output", "resume", "config"})
        if (option == held) throw input_error("--grid: " + option + " is the sweep's own; leave it away");
      if (std::find(known.begin(), known.end(), option) == known.end())
        throw input_error("--grid: tilt " + method + " has no option " + option + "; " +
                          did_you_mean(option, known, "see tilt " + method + " --help"));
      if (option.starts_with("no_")) throw input_error("--grid: " + option + " says no; give " + option.substr(3) + "=true,false");
      if (own_settings()[option].flag)
        for (const std::string& value : axes.back().values)
          if (value != "true" && value != "false")
            throw input_error("--grid: " + option + " is true or false, and not " + program::quoted(value));
      for (std::size_t i = 0; i + 1 < axes.size(); ++i)
        if (axes[i].option == option) throw input_error("--grid: " + option + " is given twice; put its values together");
    }
    if (axes.size() == 1 && axes[0].option == "seed")
      throw input_error("--grid: seeds alone are repetitions of one run; give another option too");
    if (axes[0].option == "seed") throw input_error("--grid: seed cannot be the first, which is the picture's axis; put it last");
    return axes;
  }

  void begin_folder() const {
    std::error_code failed;
    fs::create_directories(fs::path(output) / "cells", failed);
    if (failed) throw input_error(output + ": cannot be made a folder (" + failed.message() + "); give another --output");
  }

  fs::path note() const { return fs::path(output) / "sweep.json"; }
  nlohmann::ordered_json begun_with() const { return {{"method", method}, {"run", contents_of(run_file)}}; }

  /// Refuses a sweep of something else than the one in the folder, if there is one.
  void hold_against_note() const {
    if (!fs::exists(note())) return;
    if (!resume) throw input_error(output + ": holds a sweep already; go on with it by --resume, or give another --output");
    const nlohmann::json before = nlohmann::json::parse(contents_of(note()), nullptr, false);
    const nlohmann::ordered_json now = begun_with();
    for (const char* what : {"method", "run"})
      if (!before.is_object() || before.value(what, "") != now[what])
        throw input_error(std::string("--") + what + ": the sweep in " + output +
                          " was begun with another; give that, or another --output");
  }
  void claim_folder() const {
    hold_against_note();
    if (fs::exists(note())) return;
    if (resume) std::fprintf(stderr, "tilt: %s has no sweep; it begins at the beginning\n", output.c_str());
    write_file(note(), begun_with().dump(2) + "\n");
  }

  fs::path folder(const grid_cell& cell) const { return fs::path(output) / "cells" / cell.name(); }

  std::vector<std::string> arguments_of(const grid_cell& cell) const {
    std::vector<std::string> arguments{method, "--config", run_file, "--output", folder(cell).string()};
    for (const auto& [option, value] : cell.options) {
      const bool flag = own_settings()[option].flag;
      arguments.push_back(option_of(flag && value == "false" ? "no_" + option : option));
      if (!flag) arguments.push_back(value);
    }
    return arguments;
  }

  /// Refuses what a cell's run would refuse, before any has run: it is planned. (Methods that sample have no --plan.)
  void check(const grid_cell& cell) const {
    const std::vector<std::string> known = own_settings().names(true);
    if (fs::exists(folder(cell)) || std::find(known.begin(), known.end(), "plan") == known.end()) return;
    std::vector<std::string> arguments = arguments_of(cell);
    arguments.emplace_back("--plan");
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> said(std::tmpfile(), &std::fclose);
    if (said == nullptr) throw error("a temporary file cannot be made (" + std::string(std::strerror(errno)) + ")");
    const ended end = run_self(arguments, ::fileno(said.get()));
    if (end.interrupted()) throw interrupted();
    if (end.status != 2) return;
    std::string text;
    std::rewind(said.get());
    for (int c; (c = std::fgetc(said.get())) != EOF;) text.push_back(static_cast<char>(c));
    std::istringstream lines(text);
    throw input_error("cell " + cell.name() + ": " + last_sentence(lines));
  }

  /// Runs a cell to its result.json. False if it was interrupted.
  bool train(const grid_cell& cell) const {
    const fs::path place = folder(cell), log = place.string() + ".log";
    ended end;
    if (!fs::exists(place / "train_results.json")) {
      std::vector<std::string> arguments = arguments_of(cell);
      if (fs::exists(place)) arguments.emplace_back("--resume");
      const std::unique_ptr<std::FILE, int (*)(std::FILE*)> said(std::fopen(log.c_str(), "w"), &std::fclose);
      if (said == nullptr) throw input_error(log.string() + ": cannot be written (" + std::strerror(errno) + "); make room, then --resume");
      end = run_self(arguments, ::fileno(said.get()));
    }
    if (end.interrupted()) return false;
    if (end.signal != 0)
      throw error("cell " + cell.name() + " was killed by signal " + std::to_string(end.signal) + "; see " + log.string() +
                  ", and go on with --resume");
    nlohmann::ordered_json result;
    std::ifstream said(log);
    if (end.status == 2) throw input_error("cell " + cell.name() + ": " + last_sentence(said));
    if (end.status != 0) {
      result["failure"] = last_sentence(said);
    } else {
      for (const nlohmann::json& line : lines_of(place / "metrics.jsonl"))  // the last of each key stands
        for (const auto& [name, value] : line.items())
          if (value.is_number()) result["metrics"][name] = value;
      const nlohmann::json took = nlohmann::json::parse(contents_of(place / "train_results.json"));
      for (const auto& [name, value] : took.items())
        if (value.is_number()) result["metrics"][name] = value;
    }
    fs::create_directories(place);
    write_file(place / "result.json", result.dump(2) + "\n");
    if (!keep_models)
      for (const auto& entry : fs::directory_iterator(place))
        if (const std::string name = entry.path().filename().string(); name != "result.json" && name != "metrics.jsonl")
          fs::remove_all(entry.path());
    return true;
  }

  static std::vector<nlohmann::json> lines_of(const fs::path& file) {
    std::vector<nlohmann::json> lines;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  /// What a run said last, without the program's name.
  static std::string last_sentence(std::istream& in) {
    std::string last;
    for (std::string line; std::getline(in, line);)
      if (line.starts_with("tilt: ")) last = line.substr(6);
    return last.empty() ? "ended without a word" : last;
  }

  static cell_result read_result(const grid_cell& cell, const fs::path& file) {
    const nlohmann::json value = nlohmann::json::parse(contents_of(file), nullptr, false);
    if (!value.is_object() || (!value.contains("metrics") && !value.contains("failure")))
      throw input_error(file.string() + ": is no cell's result; remove the cell's folder, then --resume");
    cell_result result{cell, value.value("failure", ""), {}};
    if (value.contains("metrics"))
      for (const auto& [name, number] : value["metrics"].items()) result.metrics[name] = number.get<double>();
    return result;
  }

  static bool has(const std::vector<cell_result>& results, const std::string& name) {
    return std::any_of(results.begin(), results.end(), [&](const cell_result& r) { return r.metric(name).has_value(); });
  }

  /// Refuses a metric that the cells so far, if any of them did not fail, do not have.
  void check_metric(const std::vector<cell_result>& results) const {
    std::vector<std::string> names;
    for (const cell_result& r : results)
      for (const auto& [name, value] : r.metrics) names.push_back(name);
    if (!metric.empty() && !names.empty() && !has(results, metric))
      throw input_error("--metric: no cell has " + program::quoted(metric) + "; " +
                        did_you_mean(metric, names, "each run's metrics.jsonl names what it has") +
                        " (the runs so far are kept: correct it and add --resume)");
  }

  int report(const std::vector<grid_axis>& axes, const std::vector<cell_result>& results) {
    if (metric.empty()) metric = has(results, "eval_loss") ? "eval_loss" : has(results, "loss") ? "loss" : "objective/scores";
    check_metric(results);
    const sweep_report made(axes, results, metric);
    const std::string text = made.text();
    std::fputs(text.c_str(), stdout);
    write_file(fs::path(output) / "report.txt", text);
    write_file(fs::path(output) / "sweep.tsv", sweep_report::numbers(axes, results));
    if (has(results, metric)) write_file(fs::path(output) / "sweep.svg", made.picture());
    return 0;
  }

  settings options;
  std::string run_file, output, method = "dpo", metric;
  std::vector<std::string> grid;
  bool keep_models = false, resume = false;
};

}  // namespace

void add_sweep(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("sweep", "Train over a grid of options, and compare what comes of it");
  app.footer(more);
  const auto command = std::make_shared<sweep_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program
