// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "demo_picture.hpp"
#include "frontier_statistics.hpp"
#include "table.hpp"

namespace tilt::program {

/// A comparison's tables, numbers and picture.
class frontier_report {
 public:
  /// sound: what texts that the task accepts are called.
  frontier_report(const frontier_statistics& found, std::string sound) : found_(&found), sound_(std::move(sound)) {}

  const frontier_job& job() const { return found_->job(); }
  const std::string& sound() const { return sound_; }
  double learning_rate(std::string_view name) const { return method(name).learning_rate; }

  /// Every method at every strength.
  table frontier_table() const {
    table t({"method", "strength", "true reward", "KL", "most at that KL", "share of the gain", "wins", sound_, "diverged"});
    const frontier_result& reference = found_->outcome().reference;
    t.row({"reference", "", with_error(reference.reward, reference.reward_error, 2), "0", decimal(found_->reference_reward(), 2), "",
           decimal(reference.win_rate, 2), decimal(reference.sound, 2), ""});
    const frontier_method* before = nullptr;
    for (const frontier_row& r : found_->rows()) {
      if (r.method != before) t.rule();
      const double most = found_->most(r.kl.value), gain = most - found_->reference_reward();
      t.row({r.method != before ? r.method->label : "", r.method->strength + " " + number(r.strength), spread(r.reward), spread(r.kl),
             std::isfinite(most) ? decimal(most, 2) : "",
             gain > least_gain ? spread({(r.reward.value - found_->reference_reward()) / gain, r.reward.error / gain}) : "",
             decimal(r.win_rate, 2), decimal(r.sound, 2), std::to_string(r.diverged) + " of " + std::to_string(r.seeds)});
      before = r.method;
    }
    return t;
  }

  /// True reward at the same KL.
  table matched_table() const {
    std::vector<std::string> header = {"method"};
    for (const double kl : matched_kls) header.push_back("KL " + number(kl));
    table t(header);
    for (const frontier_method& m : found_->job().methods) {
      if (m.strengths.size() < 2) continue;
      std::vector<std::string> cells = {m.label};
      for (const double kl : matched_kls) cells.push_back(of_seeds(found_->rewards_at(m, kl)));
      t.row(cells);
    }
    if (!found_->outcome().frontier.empty()) {
      t.rule();
      std::vector<std::string> cells = {found_->outcome().exact ? "the most there is" : "the most there is, estimated"};
      for (const double kl : matched_kls) cells.push_back(spread({found_->most(kl), std::numeric_limits<double>::quiet_NaN()}));
      t.row(cells);
    }
    return t;
  }

  /// DPO less the others, seed by seed, at the same KL.
  table difference_table() const {
    std::vector<std::string> header = {"DPO's reward less that of"};
    for (const double kl : matched_kls) header.push_back("KL " + number(kl));
    table t(header);
    for (const char* name : {"ppo-learned", "ppo-true", "rloo", "grpo", "best-of-learned", "ipo", "kto"}) {
      const frontier_method* const other = find(name);
      if (other == nullptr) continue;
      std::vector<std::string> cells = {other->label};
      for (const double kl : matched_kls) cells.push_back(of_seeds(found_->differences_at(method("dpo"), *other, kl)));
      t.row(cells);
    }
    return t;
  }
  /// The same in words, whichever way it falls.
  std::string verdict() const {
    std::string text;
    for (const auto& [name, what] : {std::pair{"ppo-learned", "the reward model that was trained on DPO's own pairs"},
                                     {"ppo-true", "the true reward, which DPO never sees"}})
      for (const double kl : matched_kls) {
        const std::vector<double> differences = found_->differences_at(method("dpo"), method(name), kl);
        if (differences.size() < 2) continue;
        const estimate e = over_seeds(differences);
        const bool clear = std::abs(e.value) > student_quantile(differences.size()) * e.error;
        text += "- PPO with " + std::string(what) + ", at " + number(kl) + " nats: " +
                (!clear        ? "no difference that the seeds can tell"
                 : e.value < 0 ? "PPO is ahead"
                               : "DPO is ahead") +
                " (DPO less PPO: " + spread(e) + ", " + std::to_string(differences.size()) + " seeds).\n";
      }
    return text;
  }

  /// What the objective that is differentiated on samples came to.
  std::string of_differentiated() const {
    for (const frontier_row& r : found_->rows())
      if (r.method->kind == frontier_kind::differentiated)
        return "true reward " + spread(r.reward) + " at a KL of " + spread(r.kl) + ", where the reference has " +
               decimal(found_->reference_reward(), 2);
    return {};
  }

  /// Best of N: the bound on its KL and what it is.
  table best_of_table() const {
    table t({"N", "log N − (N − 1)/N", "KL, learned reward", "KL, true reward"});
    const auto kl_of = [&](const frontier_method& m, double n) {
      for (const frontier_row& r : found_->rows())
        if (r.method == &m && r.strength == n) return spread(r.kl, 3);
      return std::string();
    };
    for (const double n : method("best-of-true").strengths)
      t.row({number(n), decimal(best_of_kl(n), 3), kl_of(method("best-of-learned"), n), kl_of(method("best-of-true"), n)});
    return t;
  }

  /// How many trainings diverge at each learning rate.
  table divergence_table() const {
    std::set<double> rates;
    for (const frontier_method& m : found_->job().methods)
      for (const double rate : found_->learning_rates(m)) rates.insert(rate);
    std::vector<std::string> header = {"method"};
    for (const double rate : rates) header.push_back(number(rate));
    table t(header);
    for (const frontier_method& m : found_->job().methods) {
      if (m.grid_strength == 0) continue;
      std::vector<std::string> cells = {m.label + ", " + m.strength + " " + number(m.grid_strength)};
      for (const double rate : rates) {
        const auto share = found_->divergence(m, rate);
        cells.push_back(share.of == 0 ? ""
                                      : std::to_string(share.diverged) + " of " + std::to_string(share.of) + " (" +
                                            (std::isfinite(share.reward) ? decimal(share.reward, 2) : "not finite") + ")");
      }
      t.row(cells);
    }
    return t;
  }

  table cost_table() const {
    const bool metered =
        std::any_of(found_->rows().begin(), found_->rows().end(), [](const frontier_row& r) { return std::isfinite(r.bytes); });
    std::vector<std::string> header = {"method", "models", "trained", "bytes a weight"};
    if (metered) header.push_back("MB at most");
    for (const char* of : {"forward passes a text", "and once", "updates", "texts", "core seconds", "hyper-parameters"})
      header.push_back(of);
    table t(header);
    for (const frontier_method& m : found_->job().methods) {
      const frontier_cost c = cost_of(m, found_->job().sizes);
      double seconds = 0, updates = 0, texts = 0, rows = 0, bytes = std::numeric_limits<double>::quiet_NaN();
      for (const frontier_row& r : found_->rows())
        if (r.method == &m) seconds += r.seconds, updates += r.updates, texts += r.texts, bytes = std::fmax(bytes, r.bytes), rows += 1;
      const bool best = m.kind == frontier_kind::best_of;
      std::vector<std::string> cells = {m.label, std::to_string(c.models), std::to_string(c.trained), std::to_string(c.bytes_a_weight)};
      if (metered) cells.push_back(decimal(bytes / 1e6, 1));
      std::string settings = std::to_string(hyper_parameters_of(m).size());
      if (needs_reward_model(m)) settings += " + " + std::to_string(hyper_parameters_of_reward_model().size());
      for (std::string& cell :
           std::vector<std::string>{std::to_string(c.forwards), std::to_string(c.once), decimal(updates / rows, 0),
                                    best ? "N an answer" : decimal(texts / rows, 0), decimal(seconds / rows, best ? 4 : 1), settings})
        cells.push_back(std::move(cell));
      t.row(cells);
    }
    return t;
  }

  /// The hyper-parameters' names, for Markdown: methods with the same ones in one line.
  std::string hyper_parameter_list() const {
    std::vector<std::pair<std::vector<std::string>, std::string>> lines;
    const auto add = [&lines](const std::vector<std::string>& names, const std::string& of) {
      for (auto& [known, methods] : lines)
        if (known == names) return void(methods += "; " + of);
      lines.emplace_back(names, of);
    };
    for (const frontier_method& m : found_->job().methods) add(hyper_parameters_of(m), m.label);
    add(hyper_parameters_of_reward_model(), "the reward model");
    std::string text;
    for (const auto& [names, methods] : lines) {
      text.append("- ").append(methods).append(": ");
      for (std::size_t i = 0; i < names.size(); ++i) text.append(i == 0 ? "`" : ", `").append(names[i]).append("`");
      text.append("\n");
    }
    return text;
  }

  /// For the same prompt, the first text of each method's policy at its greatest strength, of the first seed, for Markdown.
  std::string examples() const {
    std::string text = "- *reference*: " + found_->outcome().reference.specimen.text + "\n";
    for (const frontier_method& m : found_->job().methods)
      for (const auto& [c, r] : found_->outcome().cells)
        if (c.method == &m && is_specimen(c) && !r.specimen.text.empty())
          text.append("- *")
              .append(m.label)
              .append(", ")
              .append(m.strength)
              .append(" ")
              .append(number(c.strength))
              .append("*: ")
              .append(r.specimen.text)
              .append("\n");
    return text;
  }

  table judge_table() const {
    table t({"seed", "held-out pairs", "accuracy (95 %)", "the true reward's", "Brier score", "calibration error", "core seconds"});
    for (std::size_t s = 0; s < found_->outcome().judges.size(); ++s) {
      const judge_result& j = found_->outcome().judges[s];
      std::string accuracy = decimal(j.accuracy);
      accuracy.append(" (").append(decimal(j.accuracy_low)).append(" to ").append(decimal(j.accuracy_high)).append(")");
      t.row({std::to_string(s + 1), decimal(j.pairs, 0), accuracy, decimal(j.attainable), decimal(j.brier), decimal(j.calibration_error),
             decimal(j.seconds, 1)});
    }
    return t;
  }

  /// Every cell as tab-separated numbers; without times, so that the same options give the same bytes.
  std::string numbers() const {
    std::string t =
        "method\tstrength\tlearning_rate\tseed\treward\treward_error\tkl\tkl_error\tsound\twin_rate\tupdates\ttexts\tdiverged\n";
    for (const auto& [c, r] : found_->outcome().cells) {
      t.append(c.method->name);
      const auto cell = [&t](const std::string& text) { t.append("\t").append(text); };
      for (const double v : {c.strength, c.learning_rate, static_cast<double>(c.seed)}) cell(number(v));
      for (const double v : {r.reward, r.reward_error, r.kl, r.kl_error, r.sound, r.win_rate}) cell(decimal(v, 6));
      for (const double v : {r.updates, r.texts}) cell(decimal(v, 0));
      cell(diverged(r, found_->outcome().reference) ? "1" : "0");
      t.append("\n");
    }
    return t;
  }

  std::string picture() const {
    plot p{"True reward and distance, mean ± standard error over " + std::to_string(found_->seeds()) +
               (found_->seeds() == 1 ? " seed" : " seeds"),
           "KL(π‖π_ref) in nats",
           "true reward",
           {}};
    double farthest = 1;
    for (const frontier_row& r : found_->rows())
      if (drawn(r)) farthest = std::max(farthest, r.kl.value + (std::isfinite(r.kl.error) ? r.kl.error : 0));
    if (!found_->outcome().frontier.empty()) {
      const std::string estimated = found_->outcome().exact ? "" : ", estimated";
      plot_series line{"π_ref·exp(r/β)/Z, the most there is" + estimated, "#222222", {{0, found_->reference_reward()}}, true};
      for (const auto& [beta, o] : found_->outcome().frontier)
        if (o.kl <= 1.05 * farthest) line.points.push_back({o.kl, o.reward});
      p.series.push_back(std::move(line));
      plot_series aims{"where DPO aims, and PPO with true reward", "#222222", {}, false, true, -8, -5};
      for (const auto& [beta, o] : found_->outcome().aims)
        if (o.kl <= 1.05 * farthest) aims.points.push_back({o.kl, o.reward, 0, 0, "β " + number(beta)});
      p.series.push_back(std::move(aims));
    }
    for (const frontier_row& r : found_->rows()) {
      if (!drawn(r)) continue;
      if (p.series.empty() || p.series.back().name != r.method->label) p.series.push_back({r.method->label, r.method->colour});
      p.series.back().points.push_back({r.kl.value, r.reward.value, finite(r.kl.error), finite(r.reward.error), number(r.strength)});
    }
    return svg_plot(p).text();
  }

  static constexpr double matched_kls[] = {0.5, 1, 2};
  static std::string number(double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", v);
    return text;
  }

 private:
  static double finite(double v) { return std::isfinite(v) ? v : 0; }
  /// What has a colour and has not fallen below the reference.
  bool drawn(const frontier_row& r) const {
    return !r.method->colour.empty() && std::isfinite(r.reward.value) && r.kl.value < farthest_drawn &&
           r.reward.value > found_->reference_reward() - 0.2;
  }
  static std::string spread(const estimate& e, int digits = 2) {
    return !std::isfinite(e.value) ? "" : std::isfinite(e.error) ? with_error(e.value, e.error, digits) : decimal(e.value, digits);
  }
  /// "1.20 ± 0.03", and of how many seeds where not all came as far.
  std::string of_seeds(const std::vector<double>& values) const {
    if (values.empty()) return "";
    return spread(over_seeds(values)) +
           (static_cast<index>(values.size()) < found_->seeds() ? " (" + std::to_string(values.size()) + ")" : "");
  }
  const frontier_method* find(std::string_view name) const {
    for (const frontier_method& m : found_->job().methods)
      if (m.name == name) return &m;
    return nullptr;
  }
  const frontier_method& method(std::string_view name) const {
    if (const frontier_method* const m = find(name)) return *m;
    throw error("comparison: there is no such method");
  }

  static constexpr double farthest_drawn = 9, least_gain = 0.1;  // of less, a share is noise

  const frontier_statistics* found_;
  std::string sound_;
};

}  // namespace tilt::program
