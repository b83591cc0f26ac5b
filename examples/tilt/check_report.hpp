// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tilt/check/check_data.hpp>
#include <tilt/io/example_rows.hpp>
#include <vector>

#include "table.hpp"

namespace tilt::program {

/// What `tilt check` found, as a text and as JSON.
class check_result {
 public:
  check_result(const example_file& file, const check_report& report) : file_(file), report_(report) {
    for (const finding& f : report.findings) by_check_[f.check].push_back(&f);
    for (const example_row& row : file.rows) rows_[row.line] = &row;
  }

  /// The lines to leave out, each with the checks that say so.
  std::map<index, std::vector<std::string_view>> dropped(const std::vector<std::string>& checks) const {
    std::map<index, std::vector<std::string_view>> lines;
    for (const finding& f : report_.findings)
      if (f.line > 0 && std::find(checks.begin(), checks.end(), f.check) != checks.end()) lines[f.line].push_back(f.check);
    return lines;
  }

  bool has_errors() const {
    return std::any_of(report_.findings.begin(), report_.findings.end(),
                       [](const finding& f) { return find_check(f.check)->severity == check_severity::error; });
  }

  /// A table of all checks that found something, statistics, then each check with its meaning and some of its findings.
  std::string text(const std::string& name, std::size_t examples) const {
    std::string out = name;
    out.append(": ").append(std::to_string(file_.rows.size())).append(" rows, ");
    out.append(std::to_string(report_.findings.size())).append(report_.findings.size() == 1 ? " finding\n\n" : " findings\n\n");
    table list({"check", "severity", "rows", "what it means"});
    for (const check_description& c : check_table)
      if (const auto found = by_check_.find(c.name); found != by_check_.end())
        list.row({std::string(c.name), std::string(name_of(c.severity)), std::to_string(found->second.size()), std::string(c.meaning)});
    if (!by_check_.empty()) out.append(list.text()).append("\n");
    out += statistics_text();
    for (const check_description& c : check_table) {
      const auto found = by_check_.find(c.name);
      if (found == by_check_.end()) continue;
      out.append("\n").append(c.name).append(" (").append(name_of(c.severity)).append("): ").append(c.meaning).append("\n");
      for (std::size_t i = 0; i < std::min(examples, found->second.size()); ++i) out += finding_text(*found->second[i]);
      if (found->second.size() > examples) out.append("  and ").append(std::to_string(found->second.size() - examples)).append(" more\n");
    }
    return out;
  }

  nlohmann::ordered_json json(const std::string& name) const {
    nlohmann::ordered_json out;
    out["file"] = name;
    out["rows"] = file_.rows.size();
    const coverage& c = report_.coverage;
    out["coverage"] = {{"prompts", c.prompts},
                       {"answers", c.answers},
                       {"distinct_answers", c.distinct_answers},
                       {"answers_per_prompt", c.answers_per_prompt},
                       {"most_answers", c.most_answers},
                       {"distinct_n_chosen", c.better.share},
                       {"distinct_n_rejected", c.worse.share}};
    const length_bias& b = report_.lengths;
    const auto estimate = [](const interval& e) { return nlohmann::ordered_json{{"value", e.value}, {"low", e.low}, {"high", e.high}}; };
    if (b.pairs > 0)
      out["length"] = {{"pairs", b.pairs},
                       {"longer_chosen", estimate(b.longer_chosen)},
                       {"ratio", estimate(b.ratio)},
                       {"auc", estimate(b.auc)},
                       {"point_biserial", b.point_biserial}};
    if (const label_noise& l = report_.labels; l.preferences > 0)
      out["labels"] = {{"preferences", l.preferences},
                       {"not_scored", l.not_scored},
                       {"doubted", l.doubted},
                       {"agreed", estimate(l.agreed)},
                       {"flipped", estimate(l.flipped)}};
    out["findings"] = nlohmann::ordered_json::array();
    for (const finding& f : report_.findings) {
      nlohmann::ordered_json one{
          {"check", f.check}, {"severity", name_of(find_check(f.check)->severity)}, {"line", f.line}, {"what", f.what}};
      if (!f.others.empty()) one["others"] = f.others;
      out["findings"].push_back(std::move(one));
    }
    return out;
  }

 private:
  static std::string percent(double share) { return decimal(100 * share, 1).append(" %"); }
  static std::string percent(const interval& e) {
    return percent(e.value).append(" [").append(percent(e.low)).append(", ").append(percent(e.high)).append("]");
  }
  static std::string estimate(const interval& e, int digits) {
    return decimal(e.value, digits).append(" [").append(decimal(e.low, digits)).append(", ").append(decimal(e.high, digits)).append("]");
  }

  std::string statistics_text() const {
    const coverage& c = report_.coverage;
    std::string out = "coverage: ";
    out.append(std::to_string(c.prompts)).append(" distinct prompts in ").append(std::to_string(c.rows)).append(" rows, ");
    out.append(decimal(c.answers_per_prompt, 2)).append(" distinct answers a prompt (at most ").append(std::to_string(c.most_answers));
    out.append("), ")
        .append(std::to_string(c.distinct_answers))
        .append(" distinct of ")
        .append(std::to_string(c.answers))
        .append(" answers\n");
    const auto shares = [&](const char* of, const distinct_ngrams& d) {
      out.append("distinct-1, -2, -3 of ").append(of).append(": ");
      for (std::size_t n = 0; n < 3; ++n) out.append(n > 0 ? ", " : "").append(decimal(d.share[n]));
      out.append("\n");
    };
    const length_bias& b = report_.lengths;
    shares(b.pairs > 0 ? "chosen answers" : "answers", c.better);
    if (b.pairs == 0) return out;
    shares("rejected answers", c.worse);
    out.append("length of chosen against rejected (95 % intervals): longer in ")
        .append(percent(b.longer_chosen))
        .append(" of pairs, mean ratio ")
        .append(estimate(b.ratio, 2))
        .append(", AUC ")
        .append(estimate(b.auc, 3))
        .append(", point-biserial r ")
        .append(decimal(b.point_biserial));
    return out.append("\n").append(labels_text());
  }

  std::string labels_text() const {
    const label_noise& l = report_.labels;
    if (l.preferences == 0) return "";
    std::string out = "labels by the reward model (95 % intervals): it agrees with ";
    out.append(percent(l.agreed)).append(" of ").append(std::to_string(l.preferences)).append(" preferences and doubts ");
    out.append(std::to_string(l.doubted)).append("; estimated as flipped, its own errors among them: ").append(percent(l.flipped));
    if (l.not_scored > 0) out.append("; rows too long for it: ").append(std::to_string(l.not_scored));
    return out.append("\n");
  }

  std::string finding_text(const finding& f) const {
    std::string out = "  ";
    if (f.line > 0) out.append(file_.array ? "example " : "line ").append(std::to_string(f.line)).append(": ");
    out.append(f.what).append("\n");
    const auto row = rows_.find(f.line);
    if (row == rows_.end() || !row->second->read || row->second->read->kind != example_kind::pair) return out;
    const std::vector<checked_row> checked =
        rows_of(std::span<const example>(&*row->second->read, 1));  // answers from their turn's beginning
    for (const auto& [name, answer] : {std::pair("    chosen   ", 0), std::pair("    rejected ", 1)})
      out.append(name).append(excerpt(checked[0].answers[static_cast<std::size_t>(answer)].text)).append("\n");
    return out;
  }
  /// The beginning and the end of a text.
  static std::string excerpt(const std::string& text) {
    const std::string line = detail::one_line(text);
    const std::string_view head = detail::first_characters(line, 60);
    if (line.size() <= head.size() + 45) return line;
    return std::string(head).append(" ").append(detail::tail_of(line, 40));
  }

  const example_file& file_;
  const check_report& report_;
  std::map<std::string_view, std::vector<const finding*>> by_check_;
  std::map<index, const example_row*> rows_;
};

}  // namespace tilt::program
