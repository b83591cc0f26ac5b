// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <tilt/data/wilson_interval.hpp>

namespace tilt {

/// How well length tells the chosen answer from the rejected one. Lengths are in characters.
struct length_bias {
  index pairs = 0;
  interval longer_chosen;     ///< share of pairs whose chosen answer is longer, ties counting half; Wilson's interval
  interval ratio;             ///< geometric mean of |chosen| / |rejected|, normal interval of the mean logarithm
  interval auc;               ///< probability that a random chosen answer is longer than a random rejected one
  double point_biserial = 0;  ///< correlation of the log-length with being chosen
};

/// Length as a predictor. The AUC is the Mann–Whitney statistic, its interval that of Hanley & McNeil (1982, Radiology 143), which takes
/// answers for independent and is therefore somewhat wide where a pair's lengths go together. Lengths of 0 count as 1 in logarithms.
/// O(n log n).
inline length_bias measure_length_bias(std::span<const std::pair<double, double>> lengths) {
  length_bias b;
  b.pairs = static_cast<index>(lengths.size());
  const double n = static_cast<double>(lengths.size());
  if (lengths.empty()) return b;
  double longer = 0, sum = 0, squares = 0, all = 0, all_squares = 0;
  std::vector<std::pair<double, bool>> sorted;
  for (const auto& [chosen, rejected] : lengths) {
    longer += chosen > rejected ? 1 : chosen == rejected ? 0.5 : 0;
    const double c = std::log(std::max(chosen, 1.0)), r = std::log(std::max(rejected, 1.0));
    sum += c - r, squares += (c - r) * (c - r);
    all += c + r, all_squares += c * c + r * r;
    sorted.emplace_back(chosen, true);
    sorted.emplace_back(rejected, false);
  }
  constexpr double z = normal_quantile_95;
  b.longer_chosen = wilson_interval(longer, n);
  const double mean = sum / n, error = n > 1 ? std::sqrt(std::max(0.0, squares / n - mean * mean) / (n - 1)) : 0;
  b.ratio = {std::exp(mean), std::exp(mean - z * error), std::exp(mean + z * error)};
  const double spread = std::sqrt(std::max(0.0, all_squares / (2 * n) - all * all / (4 * n * n)));
  b.point_biserial = spread > 0 ? mean / (2 * spread) : 0;  // (M₁ − M₀) / s · √(¼), as the two groups are as large

  std::sort(sorted.begin(), sorted.end());
  double wins = 0, rejected_below = 0;
  for (std::size_t i = 0, end; i < sorted.size(); i = end) {
    double chosen = 0, rejected = 0;
    for (end = i; end < sorted.size() && sorted[end].first == sorted[i].first; ++end) ++(sorted[end].second ? chosen : rejected);
    wins += chosen * (rejected_below + rejected / 2);
    rejected_below += rejected;
  }
  const double auc = wins / (n * n), q1 = auc / (2 - auc), q2 = 2 * auc * auc / (1 + auc);
  const double se = std::sqrt(std::max(0.0, auc * (1 - auc) + (n - 1) * (q1 - auc * auc) + (n - 1) * (q2 - auc * auc)) / (n * n));
  b.auc = {auc, std::max(0.0, auc - z * se), std::min(1.0, auc + z * se)};
  return b;
}

/// The same of rows: a pair's two answers, a ranking's best and worst.
inline length_bias measure_length_bias(std::span<const checked_row> rows) {
  std::vector<std::pair<double, double>> lengths;
  const auto characters = [](const std::string& text) {
    return static_cast<double>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  };
  for (const checked_row& row : rows)
    if (row.is_preference()) lengths.emplace_back(characters(row.answers.front().text), characters(row.answers.back().text));
  return measure_length_bias(std::span<const std::pair<double, double>>(lengths));
}

/// length_bias: where even the near end of the interval of `longer_chosen` is further than max_length_bias from 1/2.
inline void check_length_bias(const length_bias& b, double max_length_bias, std::vector<finding>& out) {
  const interval& s = b.longer_chosen;
  if (b.pairs == 0 || !(s.low > 0.5 + max_length_bias || s.high < 0.5 - max_length_bias)) return;
  std::string what = "the chosen answer is the longer one in ";
  what += detail::rounded_text(100 * s.value);
  what += " % of pairs (95 % interval ";
  what += detail::rounded_text(100 * s.low);
  what += " to ";
  what += detail::rounded_text(100 * s.high);
  what += ")";
  out.push_back({"length_bias", 0, std::move(what)});
}

}  // namespace tilt
