// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/io/file.hpp>
#include <tilt/train/metrics.hpp>

namespace tilt::program {

/// metrics.jsonl: a line for each line of the log and each evaluation, in TRL's keys. It holds no times, so two runs of the same numbers
/// write the same bytes. A run that is resumed cuts it back to the step it goes on from.
class run_log {
 public:
  /// Keeps what stands there up to step `resumed` (0: nothing). An evaluation of that very step is kept if its checkpoint comes after
  /// it; one that closes a run will be written again.
  run_log(const std::filesystem::path& folder, index resumed, bool evaluates_before_checkpoint)
      : path_((folder / "metrics.jsonl").string()) {
    write_file(path_, resumed > 0 ? lines_until(resumed, evaluates_before_checkpoint) : std::string());
    file_ = std::fopen(path_.c_str(), "ab");
    if (file_ == nullptr) fail();
  }
  run_log(const run_log&) = delete;
  run_log& operator=(const run_log&) = delete;
  ~run_log() { std::fclose(file_); }

  /// A report that comes again is passed over.
  void write(const step_report& report) {
    if (report.logged && report.step != logged_) write(report.metrics, "", report);
    if (!report.evaluation.empty() && report.step != evaluated_) write(report.evaluation, "eval_", report);
    if (report.logged) logged_ = report.step;
    if (!report.evaluation.empty()) evaluated_ = report.step;
  }
  const std::string& path() const { return path_; }

 private:
  void write(const metric_list& metrics, const char* prefix, const step_report& report) {
    nlohmann::ordered_json line;
    for (const metric& m : metrics)
      line[prefix + std::string(m.name)] = std::isfinite(m.value) ? nlohmann::ordered_json(m.value) : nlohmann::ordered_json();
    line["epoch"] = report.epoch;
    line["step"] = report.step;
    const std::string text = line.dump() + "\n";
    const long begin = std::ftell(file_);
    if (std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0) return;
    const int reason = errno;
    if (::ftruncate(fileno(file_), begin) != 0) std::perror("tilt");  // no half of a line
    errno = reason;
    fail();
  }

  /// Whole lines of steps up to the given one. Evaluations before training have step 0.
  std::string lines_until(index step, bool with_its_evaluation) const {
    std::ifstream in(path_, std::ios::binary);
    std::string kept;
    for (std::string line; std::getline(in, line) && !in.eof();) {
      const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
      if (!parsed.is_object() || !parsed.contains("step") || !parsed["step"].is_number_integer() || parsed["step"].get<index>() > step)
        break;
      if (is_evaluation(parsed) && parsed["step"] == step && !with_its_evaluation) continue;
      kept += line + "\n";
    }
    return kept;
  }

  static bool is_evaluation(const nlohmann::json& line) {
    for (const auto& [key, value] : line.items())
      if (key.starts_with("eval_")) return true;
    return false;
  }
  [[noreturn]] void fail() const {
    throw input_error(path_ + ": cannot be written (" + std::strerror(errno) + "); free space or give another --output, then --resume");
  }

  std::string path_;
  std::FILE* file_ = nullptr;
  index logged_ = -1, evaluated_ = -1;
};

}  // namespace tilt::program
