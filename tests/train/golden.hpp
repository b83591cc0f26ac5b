// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/train/trainer.hpp>

namespace tilt::test {

using json = nlohmann::json;

/// How far a run's log is from the golden one: of each key, how many values there are, how many agree within 1e-4, and the worst.
struct deviations {
  static constexpr double close = 1e-4;
  struct worst {
    double relative = 0, rounding = 0, ours = 0, theirs = 0;  // where relative − rounding is largest
    std::string where;
    index values = 0, within = 0;
    double largest = 0;  // relative deviation
    double excess() const { return relative - rounding; }
  };
  std::map<std::string, worst> keys;

  /// Relative to the golden value or, where that is small, to `floor`. `rounding` is what of it the golden value's own float32 can have done.
  void add(const std::string& key, const std::string& where, double ours, double theirs, double floor, double rounding = 0) {
    const double size = std::max(std::abs(theirs), floor);
    double relative = std::abs(ours - theirs) / size;
    if (!(relative >= 0)) relative = std::numeric_limits<double>::infinity();
    worst& w = keys[key];
    ++w.values;
    w.within += relative <= close ? 1 : 0;
    w.largest = std::max(w.largest, relative);
    if (w.values == 1 || relative - rounding / size > w.excess()) {
      const worst met{relative, rounding / size, ours, theirs, where, w.values, w.within, w.largest};
      w = met;
    }
  }
  std::string text() const {
    index values = 0, within = 0;
    std::string all;
    for (const auto& [key, w] : keys) {
      values += w.values, within += w.within;
      if (w.within == w.values) continue;
      char line[320];
      std::snprintf(line, sizeof line, "  %s: %td of %td, the rest within %.2g; most beyond what float32 explains, %.2g, at %s: off by %.2g, %.9g for %.9g\n", key.c_str(), w.within, w.values,
                    w.largest, w.rounding, w.where.c_str(), w.relative, w.ours, w.theirs);
      all += line;
    }
    return std::to_string(within) + " of " + std::to_string(values) + " values within 1e-4\n" + all;
  }
};

/// What TRL's float32 can have added to a value that is a difference of responses' log-probabilities, absolute. It sums these over tokens
/// in float32, whatever the weights are in, so a sum is off by about eps·|log π|, eps = 2^-23; a reward is beta times the difference of
/// two such sums, KTO's kl the difference itself. 0 for every other key. log π is the line's own mean; 2 eps cover both sums.
inline double rounding_of_difference(const std::string& key, const json& line, const std::string& prefix, double beta) {
  const bool kl = key == "kl", reward = key.rfind("rewards/", 0) == 0 && key != "rewards/accuracies";
  if (!kl && !reward) return 0;
  double logp = 0;
  for (const char* side : {"logps/chosen", "logps/rejected"}) logp = std::max(logp, std::abs(line.value(prefix + side, 0.0)));
  return 2 * std::ldexp(1.0, -23) * logp * (kl ? 1 : beta);
}

/// Compares a line of ours with an entry of theirs: every number of theirs must be there, and nothing of theirs may be missing.
inline void compare_line(deviations& d, const std::string& where, const json& theirs, const metric_list& ours, const std::string& prefix, double beta) {
  for (const auto& [name, value] : theirs.items()) {
    std::string key = name;
    if (key.rfind(prefix, 0) == 0) key = key.substr(prefix.size());
    if (!value.is_number() || key == "epoch" || key == "step" || key == "model_preparation_time") continue;
    double floor = 1e-6;
    if (key.rfind("rewards/", 0) == 0 || key == "kl") floor = 1e-2;
    if (key == "learning_rate") floor = 1e-12;
    d.add(prefix + key, where, ours[key], value.get<double>(), floor, rounding_of_difference(key, theirs, prefix, beta));
  }
}

/// Runs a trainer as the golden run was made (evaluation, training, evaluation) and compares all that was logged, and how far every
/// parameter moved. With `steps`, only the first so many steps and nothing after them.
template <class Trainer>
deviations compare_run(const json& run, double beta, Trainer& trainer, std::span<const prompt_tree> train, std::span<const prompt_tree> eval, index steps = -1) {
  using T = typename Trainer::T;
  deviations d;
  auto& policy = trainer.policy();
  std::map<std::string, std::vector<T>> before;
  for (const parameter& p : policy.parameters()) before[p.name] = policy.get(p);
  compare_line(d, "evaluation before", run["eval_before"], trainer.evaluate(eval), "eval_", beta);
  std::size_t entry = 0;
  for (const step_report& report : trainer.run(train, eval)) {
    if (!report.logged) continue;
    const std::string where = "step " + std::to_string(report.step);
    if (entry >= run["log"].size()) {
      d.add("lines", where, 1, 0, 1);
      break;
    }
    const json& line = run["log"][entry++];
    d.add("step", where, static_cast<double>(report.step), line["step"].get<double>(), 1);
    d.add("epoch", where, report.epoch, line["epoch"].get<double>(), 1e-6);
    compare_line(d, where, line, report.metrics, "", beta);
    if (steps > 0 && report.step >= steps) return d;
  }
  d.add("lines", "the end", static_cast<double>(entry), static_cast<double>(run["log"].size()), 1);
  compare_line(d, "evaluation after", run["eval_after"], trainer.evaluate(eval), "eval_", beta);
  for (const parameter& p : policy.parameters()) {
    double moved = 0, size = 0;
    const std::vector<T> now = policy.get(p);
    for (std::size_t i = 0; i < now.size(); ++i) {
      const double w = static_cast<double>(now[i]), change = w - static_cast<double>(before[p.name][i]);
      moved += change * change;
      size += w * w;
    }
    const json& theirs = run["parameters"][p.name];
    d.add("update_norm", p.name, std::sqrt(moved), theirs["update_norm"].get<double>(), 1e-9);
    d.add("parameter_norm", p.name, std::sqrt(size), theirs["norm"].get<double>(), 1e-9);
  }
  return d;
}

inline json read_json(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

}  // namespace tilt::test
