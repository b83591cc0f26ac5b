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
  explicit frontier_report(const frontier_statistics& found) : found_(&found) {}

  /// Every method at every strength.
  table frontier_table() const {
    const bool exact = !found_->outcome().frontier.empty();
    table t({"method", "strength", "true reward", "KL", "most at that KL", "share of the gain", "wins", "sentences", "diverged"});
    const frontier_result& reference = found_->outcome().reference;
    t.row({"reference", "", with_error(reference.reward, reference.reward_error, 2), "0",
           exact ? decimal(found_->reference_reward(), 2) : "", "", decimal(reference.win_rate, 2), decimal(reference.sentences, 2), ""});
    const frontier_method* before = nullptr;
    for (const frontier_row& r : found_->rows()) {
      if (r.method != before) t.rule();
      const double most = found_->most(r.kl.value), gain = most - found_->reference_reward();
      t.row({r.method != before ? r.method->label : "", r.method->strength + " " + number(r.strength), spread(r.reward), spread(r.kl),
             std::isfinite(most) ? decimal(most, 2) : "",
             gain > least_gain ? spread({(r.reward.value - found_->reference_reward()) / gain, r.reward.error / gain}) : "",
             decimal(r.win_rate, 2), decimal(r.sentences, 2), std::to_string(r.diverged) + " of " + std::to_string(r.seeds)});
      before = r.method;
    }
    return t;
  }

  /// True reward at the same KL.
  table matched_table() const {
    std::vector<std::string> header = {"method"};
    for (const double kl : matched_kls) header.push_back("KL " + number(kl));
    table t(header);
    for (const frontier_method& m : frontier_methods()) {
      if (m.strengths.size() < 2) continue;
      std::vector<std::string> cells = {m.label};
      for (const double kl : matched_kls) cells.push_back(of_seeds(found_->rewards_at(m, kl)));
      t.row(cells);
    }
    if (!found_->outcome().frontier.empty()) {
      t.rule();
      std::vector<std::string> cells = {"the most there is"};
      for (const double kl : matched_kls) cells.push_back(decimal(found_->most(kl), 2));
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
      std::vector<std::string> cells = {method(name).label};
      for (const double kl : matched_kls) cells.push_back(of_seeds(found_->differences_at(method("dpo"), method(name), kl)));
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
    for (const frontier_method& m : frontier_methods())
      for (const double rate : found_->learning_rates(m)) rates.insert(rate);
    std::vector<std::string> header = {"method"};
    for (const double rate : rates) header.push_back(number(rate));
    table t(header);
    for (const frontier_method& m : frontier_methods()) {
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
    table t({"method", "models", "trained", "bytes a weight", "forward passes a text", "and once", "updates", "texts", "core seconds",
             "to be chosen"});
    for (const frontier_method& m : frontier_methods()) {
      const frontier_cost c = cost_of(m);
      double seconds = 0, updates = 0, texts = 0, rows = 0;
      for (const frontier_row& r : found_->rows())
        if (r.method == &m) seconds += r.seconds, updates += r.updates, texts += r.texts, rows += 1;
      const bool best = m.kind == frontier_kind::best_of;
      t.row({m.label, std::to_string(c.models), std::to_string(c.trained), std::to_string(c.bytes_a_weight), std::to_string(c.forwards),
             std::to_string(c.once), decimal(updates / rows, 0), best ? "N an answer" : decimal(texts / rows, 0),
             decimal(seconds / rows, best ? 4 : 1), m.settings});
    }
    return t;
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
        "method\tstrength\tlearning_rate\tseed\treward\treward_error\tkl\tkl_error\tsentences\twin_rate\tupdates\ttexts\tdiverged\n";
    for (const auto& [c, r] : found_->outcome().cells) {
      t.append(c.method->name);
      const auto cell = [&t](const std::string& text) { t.append("\t").append(text); };
      for (const double v : {c.strength, c.learning_rate, static_cast<double>(c.seed)}) cell(number(v));
      for (const double v : {r.reward, r.reward_error, r.kl, r.kl_error, r.sentences, r.win_rate}) cell(decimal(v, 6));
      for (const double v : {r.updates, r.texts}) cell(decimal(v, 0));
      cell(diverged(r, found_->outcome().reference) ? "1" : "0");
      t.append("\n");
    }
    return t;
  }

  std::string picture() const {
    plot p{"True reward and distance, mean ± standard error over " + std::to_string(found_->seeds()) + " seeds",
           "KL(π‖π_ref) in nats",
           "true reward",
           {}};
    double farthest = 1;
    for (const frontier_row& r : found_->rows())
      if (drawn(r)) farthest = std::max(farthest, r.kl.value + (std::isfinite(r.kl.error) ? r.kl.error : 0));
    if (!found_->outcome().frontier.empty()) {
      plot_series line{"π_ref·exp(r/β)/Z, the most there is", "#222222", {{0, found_->reference_reward()}}, true};
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
  static const frontier_method& method(std::string_view name) {
    for (const frontier_method& m : frontier_methods())
      if (m.name == name) return m;
    throw error("comparison: there is no such method");
  }

  static constexpr double farthest_drawn = 9, least_gain = 0.1;  // of less, a share is noise

  const frontier_statistics* found_;
};

}  // namespace tilt::program
