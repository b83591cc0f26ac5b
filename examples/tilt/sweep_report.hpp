// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "demo_picture.hpp"
#include "sweep_grid.hpp"
#include "table.hpp"

namespace tilt::program {

/// What a cell's run came to: its metrics, or why there are none.
struct cell_result {
  grid_cell cell;
  std::string failure;
  std::map<std::string, double> metrics;

  std::optional<double> metric(const std::string& name) const {
    const auto found = metrics.find(name);
    return found == metrics.end() ? std::nullopt : std::optional(found->second);
  }
};

/// The table and the picture of a sweep. Cells that differ in `seed` alone are one row: the mean over the seeds with its standard error.
class sweep_report {
 public:
  sweep_report(std::vector<grid_axis> axes, const std::vector<cell_result>& results, std::string metric)
      : axes_(std::move(axes)), metric_(std::move(metric)) {
    std::erase_if(axes_, [](const grid_axis& a) { return a.option == "seed"; });
    for (const cell_result& r : results) {
      grid_cell key;
      for (const grid_axis& a : axes_) key.options.emplace_back(a.option, r.cell[a.option]);
      auto row = std::find_if(rows_.begin(), rows_.end(), [&](const row_of_runs& have) { return have.cell.options == key.options; });
      if (row == rows_.end()) row = rows_.insert(rows_.end(), {key, {}, {}});
      (r.failure.empty() ? row->done : row->failed).push_back(&r);
    }
  }

  std::string text() const {
    std::vector<std::string> header;
    for (const grid_axis& a : axes_) header.push_back(a.option);
    const std::vector<std::string> shown = columns();
    header.insert(header.end(), shown.begin(), shown.end());
    header.push_back("runs");
    table t(header);
    for (const row_of_runs& row : rows_) {
      std::vector<std::string> cells;
      for (const auto& [option, value] : row.cell.options) cells.push_back(value);
      for (const std::string& name : shown) {
        const auto [mean, error, count] = row.mean(name);
        cells.push_back(count == 0 ? "" : count == 1 ? decimal(mean, 4) : with_error(mean, error, 4));
      }
      cells.push_back(std::to_string(row.done.size()));
      if (!row.failed.empty()) cells.back() += " (" + std::to_string(row.failed.size()) + " failed)";
      t.row(cells);
    }
    std::string text = t.text();
    for (const row_of_runs& row : rows_)
      for (const cell_result* r : row.failed) text += " failed: " + r->cell.name() + ": " + r->failure + "\n";
    return text;
  }

  /// Every cell and all its metrics, tab-separated.
  static std::string numbers(const std::vector<grid_axis>& axes, const std::vector<cell_result>& results) {
    std::map<std::string, bool> names;
    for (const cell_result& r : results)
      for (const auto& [name, value] : r.metrics) names[name] = true;
    std::string text;
    for (const grid_axis& a : axes) text += a.option + "\t";
    text += "failure";
    for (const auto& [name, used] : names) text += "\t" + name;
    text += "\n";
    for (const cell_result& r : results) {
      for (const auto& [option, value] : r.cell.options) text += value + "\t";
      text += r.failure;
      for (const auto& [name, used] : names) {
        char number[40] = "";
        if (const auto value = r.metric(name)) std::snprintf(number, sizeof number, "%.9g", *value);
        text.append("\t").append(number);
      }
      text += "\n";
    }
    return text;
  }

  /// The metric over the first axis, a line for each combination of the others.
  std::string picture() const {
    const grid_axis& across = axes_.at(0);
    const bool numeric =
        std::all_of(across.values.begin(), across.values.end(), [](const std::string& v) { return number_of(v).has_value(); });
    double least = 1e300, most = -1e300;
    for (const std::string& v : across.values)
      if (numeric) least = std::min(least, *number_of(v)), most = std::max(most, *number_of(v));
    const bool logarithmic = numeric && least > 0 && most / least >= 8;
    plot p{metric_ + " over " + across.option, logarithmic ? "log10 of " + across.option : across.option, metric_, {}};
    static constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#aa4499", "#e69f00", "#56b4e9", "#444444", "#8c564b"};
    for (const row_of_runs& row : rows_) {
      const auto [mean, error, count] = row.mean(metric_);
      if (count == 0) continue;
      const std::string& value = row.cell.options[0].second;
      grid_cell rest;
      rest.options.assign(row.cell.options.begin() + 1, row.cell.options.end());
      const std::string name = rest.options.empty() ? metric_ : rest.name();
      auto series = std::find_if(p.series.begin(), p.series.end(), [&](const plot_series& s) { return s.name == name; });
      if (series == p.series.end()) series = p.series.insert(p.series.end(), {name, colours[p.series.size() % std::size(colours)]});
      const auto place = std::find(across.values.begin(), across.values.end(), value) - across.values.begin();
      const double x = logarithmic ? std::log10(*number_of(value)) : numeric ? *number_of(value) : static_cast<double>(place);
      series->points.push_back({x, mean, 0, error, value});
    }
    return svg_plot(p).text();
  }

 private:
  struct mean_of_runs {
    double mean, error;
    std::size_t count;
  };
  struct row_of_runs {
    grid_cell cell;
    std::vector<const cell_result*> done, failed;

    mean_of_runs mean(const std::string& name) const {
      double sum = 0, squares = 0;
      std::size_t count = 0;
      for (const cell_result* r : done)
        if (const auto value = r->metric(name)) sum += *value, ++count;
      const double n = static_cast<double>(count), mean = count > 0 ? sum / n : 0;
      for (const cell_result* r : done)
        if (const auto value = r->metric(name)) squares += (*value - mean) * (*value - mean);
      return {mean, count > 1 ? std::sqrt(squares / (n - 1) / n) : 0, count};
    }
  };

  static std::optional<double> number_of(const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    return end != text.c_str() && *end == 0 && std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
  /// The metric first, then of the usual ones those that a cell has.
  std::vector<std::string> columns() const {
    std::vector<std::string> names{metric_};
    for (const char* usual : {"eval_loss", "eval_rewards/accuracies", "eval_rewards/margins", "eval_accuracy", "eval_margin", "loss",
                              "objective/scores", "objective/kl", "train_samples_per_second"}) {
      const auto has = [&](const row_of_runs& row) { return row.mean(usual).count > 0; };
      if (usual != metric_ && std::any_of(rows_.begin(), rows_.end(), has)) names.emplace_back(usual);
    }
    return names;
  }

  std::vector<grid_axis> axes_;
  std::string metric_;
  std::vector<row_of_runs> rows_;
};

}  // namespace tilt::program
