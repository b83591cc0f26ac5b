// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

#include "demo_experiment.hpp"
#include "demo_picture.hpp"

namespace tilt::program {

/// What the demo found, as text, as numbers and as a picture.
class demo_report {
 public:
  demo_report(const demo_world& world, const demo_outcome& outcome) : world_(&world), outcome_(&outcome) {}

  /// What is said on standard output; `report.txt` too.
  std::string text() const {
    const preference_data& d = outcome_->data;
    const auto count = [](index n) { return std::to_string(n); };
    std::string t;
    t += "Language   a decoder of " + count(outcome_->weights) + " weights, taught by " + count(outcome_->sentences_learnt) +
         " sentences. For " + std::to_string(outcome_->prompts.size()) + " beginnings that it has not seen, " + percent(outcome_->inside) +
         " of what it writes\n           are sentences of the language, whose cross-entropy under it is " +
         decimal(outcome_->cross_entropy) + " nats a sentence (entropy: " + decimal(outcome_->entropy) + ").\n";
    t += "Preference " + count(d.pairs) +
         " pairs among 4 samples a prompt, labelled by chance with probability σ(r − r'): " + count(d.upheld) +
         " agree with the true reward, " + count(d.contrary) + " do not,\n           " +
         count(d.pairs - d.identical - d.upheld - d.contrary) + " are between equal rewards; " + count(d.identical) +
         " pairs of identical samples are no preference.\n\n";
    t += frontier_table().text();
    t += "\n reward, KL: of fresh samples for the unseen beginnings, ± one standard error. sentences: share that the language has.\n"
         " aim: π_ref·exp(r/β)/Z, which DPO (sigmoid) comes to with endless data; for ipo the same with the probability of being preferred "
         "in place of r;\n"
         "      hinge and kto have none in closed form.\n"
         " most: the largest reward that any policy of that KL can have, which π_ref·exp(r/β')/Z with a suitable β' has. Both are exact: "
         "the world is enumerated.\n"
         " A smaller β goes farther, but not to its aim: of texts that are in no pair the losses say nothing, and they take mass too "
         "(sentences).\n"
         " hinge: theory puts every pair at a log-ratio difference of 1/β, however little the one is preferred (DPO: (r − r')/β), so a "
         "small β runs away: 5 nats at 0.2.\n\n";
    t += sample_table().text();
    return t;
  }

  /// The table as tab-separated numbers, with all digits that mean something.
  std::string numbers() const {
    std::string t = "loss_type\tbeta\treward\treward_error\tkl\tkl_error\tsentences\taim_reward\taim_kl\tmost_reward\n";
    const auto line = [&](const demo_row& r) {
      t += r.method + "\t" + demo_number(r.beta);
      for (const double v :
           {r.measured.reward.value, r.measured.reward.error, r.measured.kl.value, r.measured.kl.error, r.measured.sentences})
        t += "\t" + decimal(v, 6);
      t += r.has_aim ? "\t" + decimal(r.aim.reward, 6) + "\t" + decimal(r.aim.kl, 6) : "\t\t";
      t += "\t" + decimal(r.best.reward, 6) + "\n";
    };
    line(outcome_->reference);
    for (const demo_row& r : outcome_->rows) line(r);
    return t;
  }

  std::string picture() const {
    static const std::map<std::string, plot_series> looks = {{"sigmoid", {"DPO", "#0072b2", {}, false, false, -8, 4}},
                                                             {"ipo", {"IPO", "#d55e00", {}, false, false, 0, -9}},
                                                             {"hinge", {"hinge", "#009e73", {}, false, false, 0, 19}},
                                                             {"kto", {"KTO", "#aa4499", {}, false, false, 7, 14}}};
    plot p{"What each loss reaches at several β, and the most there is", "KL(π‖π_ref) in nats", "true reward", {}};
    // A policy that ran away would press all else into the left edge: it is in the table, and the title says that it is not drawn.
    double scale = 0, farthest = 1;
    for (const demo_row& r : outcome_->rows)
      if (r.has_aim) scale = std::max({scale, r.measured.kl.value, r.method == "sigmoid" ? r.aim.kl : 0});
    const auto drawn = [scale](const demo_row& r) { return scale == 0 || r.measured.kl.value <= 2 * scale; };
    for (const demo_row& r : outcome_->rows) {
      if (drawn(r))
        farthest = std::max({farthest, r.measured.kl.value + r.measured.kl.error, r.method == "sigmoid" ? r.aim.kl : 0});
      else
        p.title += "; beyond it " + r.method + " " + demo_number(r.beta) + ", at a KL of " + decimal(r.measured.kl.value, 1);
    }
    plot_series optimum_line{"π_ref·exp(r/β)/Z, the most there is", "#222222", {}, true};
    for (const auto& [beta, o] : outcome_->frontier)
      if (o.kl <= 1.1 * farthest) optimum_line.points.push_back({o.kl, o.reward});
    p.series.push_back(std::move(optimum_line));
    plot_series aims{"where DPO aims", "#222222", {}, false, true, -8, -5};
    for (const demo_row& r : outcome_->rows)
      if (r.method == "sigmoid") aims.points.push_back({r.aim.kl, r.aim.reward, 0, 0, "β " + demo_number(r.beta)});
    if (!aims.points.empty()) p.series.push_back(std::move(aims));
    const auto measured = [](const demo_row& r) {
      return plot_point{r.measured.kl.value, r.measured.reward.value, r.measured.kl.error, r.measured.reward.error,
                        r.beta > 0 ? demo_number(r.beta) : ""};
    };
    p.series.push_back({"π_ref", "#888888", {measured(outcome_->reference)}});
    for (const demo_row& r : outcome_->rows) {
      if (!drawn(r)) continue;
      const plot_series& look = looks.at(r.method);
      if (p.series.back().name != look.name) p.series.push_back(look);
      p.series.back().points.push_back(measured(r));
    }
    return svg_plot(p).text();
  }

 private:
  static std::string percent(double share) { return decimal(100 * share, 1) + " %"; }

  table frontier_table() const {
    table t({"loss", "β", "reward", "KL", "sentences", "aim: reward", "KL", "most"});
    const auto line = [&](const demo_row& r) {
      const standing& m = r.measured;
      t.row({r.method, r.beta > 0 ? demo_number(r.beta) : "", with_error(m.reward.value, m.reward.error, 2),
             with_error(m.kl.value, m.kl.error, 2), decimal(m.sentences, 2), r.has_aim ? decimal(r.aim.reward, 2) : "",
             r.has_aim ? decimal(r.aim.kl, 2) : "", decimal(r.best.reward, 2)});
    };
    line(outcome_->reference);
    for (std::size_t i = 0; i < outcome_->rows.size(); ++i) {
      if (i == 0 || outcome_->rows[i].method != outcome_->rows[i - 1].method) t.rule();
      line(outcome_->rows[i]);
    }
    return t;
  }

  /// The same draws under the reference and under each loss at its middle strength.
  table sample_table() const {
    table t({"beginning", "policy", "reward", "text"});
    const auto line = [&](std::size_t p, const demo_row& r, const std::string& name) {
      t.row({name == "reference" ? world_->text(outcome_->prompts[p]) : "", name, decimal(world_->reward(r.texts[p]), 1),
             world_->text(r.texts[p])});
    };
    for (std::size_t p = 0; p < outcome_->reference.texts.size(); ++p) {
      if (p > 0) t.rule();
      line(p, outcome_->reference, "reference");
      for (const demo_row& r : outcome_->rows)
        if (r.shown) line(p, r, r.method + " " + demo_number(r.beta));
    }
    return t;
  }

  const demo_world* world_;
  const demo_outcome* outcome_;
};

}  // namespace tilt::program
