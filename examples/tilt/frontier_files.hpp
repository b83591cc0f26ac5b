// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <tilt/io/file.hpp>
#include <tilt/train/run_settings.hpp>
#include <vector>

#include "frontier_plan.hpp"

namespace tilt::program {

/// What one of a method's trainings shows beside its numbers.
struct frontier_specimen {
  double bytes = std::numeric_limits<double>::quiet_NaN();  ///< of the backend, the most at once; NaN where it does not count them
  std::string text = {};                                    ///< the policy's first one for the first held-out prompt, on one line
};

/// What a cell came to: the policy over fresh samples for prompts that it has not seen. NaN where its training ended in numbers that are not finite.
struct frontier_result {
  double reward = std::numeric_limits<double>::quiet_NaN(), reward_error = reward;  ///< true reward
  double kl = reward, kl_error = reward;                                            ///< KL(π‖π_ref) in nats a text
  double sound = reward;                                                            ///< share of its texts that the task accepts
  double win_rate = reward;                                                         ///< against the reference; a tie is half a win
  double updates = 0, texts = 0;  ///< of the optimiser; run through in training, each time anew
  double seconds = 0;             ///< of one core, training and sampling for it
  frontier_specimen specimen = {};

  bool finite() const { return std::isfinite(reward) && std::isfinite(kl); }
};

/// How good a seed's reward model is, on pairs of samples for prompts that it has not seen.
struct judge_result {
  double pairs = 0, accuracy = 0, accuracy_low = 0, accuracy_high = 0;
  double attainable = 0;  ///< accuracy of the true reward on the same labels, which are drawn
  double brier = 0, calibration_error = 0;
  double seconds = 0;
};

/// The folder that a comparison works in. A stage or cell that is done is a file, which is there whole or not at all; so a run that was
/// killed goes on where it was. `options.txt` says what the files were made with.
class frontier_folder {
 public:
  /// Makes the folder, or enters it; throws input_error if it holds a comparison that was made with other options.
  frontier_folder(std::filesystem::path path, const std::vector<named_value>& options) : path_(std::move(path)) {
    std::error_code failed;
    std::filesystem::create_directories(path_ / "cells", failed);
    if (failed) throw input_error(path_.string() + ": cannot be made a folder (" + failed.message() + "); give another place");
    const std::filesystem::path list = path_ / "options.txt";
    if (!std::filesystem::exists(list)) {
      std::string text;
      for (const named_value& o : options) text += o.name + "\t" + o.value + "\n";
      write_file(list, text);
      return;
    }
    std::istringstream lines{std::string(mapped_file(list).text())};
    for (const named_value& o : options) {
      std::string line;
      std::getline(lines, line);
      const std::size_t tab = line.find('\t');
      const std::string name = line.substr(0, tab), value = tab == std::string::npos ? "" : line.substr(tab + 1);
      if (name != o.name)
        throw input_error(path_.string() + ": holds a comparison of another version of this program; give another folder");
      if (value != o.value)
        throw input_error(path_.string() + ": holds a comparison that was made with other options (" + o.name + " " + value + " there, " +
                          o.value + " here); give the same ones, or another folder");
    }
  }

  const std::filesystem::path& path() const { return path_; }

  static std::string name_of(const frontier_cell& c) {
    return c.method->name + "_" + detail::exact_text(c.strength) + "_rate_" + detail::exact_text(c.learning_rate) + "_seed_" +
           std::to_string(c.seed);
  }
  static std::string specimen_name(const frontier_method& m) { return "specimen_" + m.name; }
  static std::string judge_name(index seed) { return std::string("reward-model_seed_").append(std::to_string(seed)); }

  std::optional<frontier_result> find(const frontier_cell& c) const {
    frontier_result r;
    return read(name_of(c), {&r.reward, &r.reward_error, &r.kl, &r.kl_error, &r.sound, &r.win_rate, &r.updates, &r.texts, &r.seconds})
               ? std::optional(r)
               : std::nullopt;
  }
  void keep(const frontier_cell& c, const frontier_result& r) const {
    write(name_of(c), {r.reward, r.reward_error, r.kl, r.kl_error, r.sound, r.win_rate, r.updates, r.texts, r.seconds});
  }
  std::optional<frontier_specimen> find_specimen(const frontier_method& m) const {
    frontier_specimen s;
    return read(specimen_name(m), {&s.bytes}, &s.text) ? std::optional(s) : std::nullopt;
  }
  void keep_specimen(const frontier_method& m, const frontier_specimen& s) const { write(specimen_name(m), {s.bytes}, s.text); }
  std::optional<judge_result> find_judge(index seed) const {
    judge_result r;
    return read(judge_name(seed),
                {&r.pairs, &r.accuracy, &r.accuracy_low, &r.accuracy_high, &r.attainable, &r.brier, &r.calibration_error, &r.seconds})
               ? std::optional(r)
               : std::nullopt;
  }
  void keep_judge(index seed, const judge_result& r) const {
    write(judge_name(seed), {r.pairs, r.accuracy, r.accuracy_low, r.accuracy_high, r.attainable, r.brier, r.calibration_error, r.seconds});
  }

  /// A model's weights, of which there must be `count`.
  std::optional<std::vector<float>> find_weights(const std::string& name, index count) const {
    const std::filesystem::path file = path_ / (name + ".weights");
    if (!std::filesystem::exists(file) || std::filesystem::file_size(file) != static_cast<std::size_t>(count) * sizeof(float))
      return std::nullopt;
    std::vector<float> weights(static_cast<std::size_t>(count));
    const mapped_file bytes(file);
    std::memcpy(weights.data(), bytes.bytes().data(), bytes.bytes().size());
    return weights;
  }
  void keep_weights(const std::string& name, const std::vector<float>& weights) const {
    atomic_file file(path_ / (name + ".weights"));
    file.write(std::as_bytes(std::span(weights)));
    file.commit();
  }

 private:
  std::filesystem::path file_of(const std::string& name) const { return path_ / "cells" / (name + ".tsv"); }
  /// Numbers between tabs, and behind them a text.
  bool read(const std::string& name, std::initializer_list<double*> into, std::string* text = nullptr) const {
    std::ifstream in(file_of(name));
    std::string word;
    for (double* v : into) {
      if (!(in >> word)) return false;
      char* end = nullptr;
      *v = std::strtod(word.c_str(), &end);
      if (*end != '\0') return false;
    }
    if (text != nullptr && in.get() == '\t') std::getline(in, *text);
    return true;
  }
  void write(const std::string& name, std::initializer_list<double> values, const std::string& text = {}) const {
    std::string line;
    for (const double v : values) line.append(line.empty() ? "" : "\t").append(detail::exact_text(v));
    if (!text.empty()) line.append("\t").append(text);
    write_file(file_of(name), line + "\n");
  }

  std::filesystem::path path_;
};

}  // namespace tilt::program
