// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/train/trainer.hpp>

namespace tilt::test {

using json = nlohmann::json;

/// The worst relative deviation of each key of a run's log, and where.
struct deviations {
  struct worst {
    double relative = 0, ours = 0, theirs = 0;
    std::string where;
  };
  std::map<std::string, worst> keys;

  /// Relative to the golden value or, where that is small, to `floor`: a reward near 0 is a difference of large log-probabilities.
  void add(const std::string& key, const std::string& where, double ours, double theirs, double floor) {
    double relative = std::abs(ours - theirs) / std::max(std::abs(theirs), floor);
    if (!(relative >= 0)) relative = std::numeric_limits<double>::infinity();
    worst& w = keys[key];
    if (relative >= w.relative) w = {relative, ours, theirs, where};
  }
  /// The worst of the keys that begin so.
  double of(const std::string& prefix) const {
    double most = 0;
    for (const auto& [key, w] : keys)
      if (key.rfind(prefix, 0) == 0) most = std::max(most, w.relative);
    return most;
  }
  std::string text() const {
    std::string all;
    for (const auto& [key, w] : keys)
      all += key + ": " + std::to_string(w.relative) + " at " + w.where + ", " + std::to_string(w.ours) + " for " + std::to_string(w.theirs) + "\n";
    return all;
  }
};

/// Compares a line of ours with an entry of theirs: every number of theirs must be there, and nothing of theirs may be missing.
inline void compare_line(deviations& d, const std::string& where, const json& theirs, const metric_list& ours, const std::string& prefix) {
  for (const auto& [name, value] : theirs.items()) {
    std::string key = name;
    if (key.rfind(prefix, 0) == 0) key = key.substr(prefix.size());
    if (!value.is_number() || key == "epoch" || key == "step" || key == "model_preparation_time") continue;
    double floor = 1e-6;
    if (key.rfind("rewards/", 0) == 0 || key == "kl") floor = 1e-2;
    if (key == "learning_rate") floor = 1e-12;
    d.add(prefix + key, where, ours[key], value.get<double>(), floor);
  }
}

/// Runs a trainer as the golden run was made (evaluation, training, evaluation) and compares all that was logged, and how far every
/// parameter moved. With `steps`, only the first so many steps and nothing after them.
template <class Trainer>
deviations compare_run(const json& run, Trainer& trainer, std::span<const prompt_tree> train, std::span<const prompt_tree> eval, index steps = -1) {
  using T = typename Trainer::T;
  deviations d;
  auto& policy = trainer.policy();
  std::map<std::string, std::vector<T>> before;
  for (const parameter& p : policy.parameters()) before[p.name] = policy.get(p);
  compare_line(d, "evaluation before", run["eval_before"], trainer.evaluate(eval), "eval_");
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
    compare_line(d, where, line, report.metrics, "");
    if (steps > 0 && report.step >= steps) return d;
  }
  d.add("lines", "the end", static_cast<double>(entry), static_cast<double>(run["log"].size()), 1);
  compare_line(d, "evaluation after", run["eval_after"], trainer.evaluate(eval), "eval_");
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
