// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <tilt/check/similarity.hpp>

namespace tilt {

struct clarity_options {
  double max_similarity = 0.9;  ///< of chosen and rejected (text_similarity); from here on they count as alike
  double min_margin = 0;        ///< scores must differ by more than this
};

/// equal, alike: any two answers of a pair or ranking. A ranking's answers with equal scores prefer nothing, so they may be alike.
/// O(K² n log n) for K answers of n characters.
inline void check_likeness(std::span<const checked_row> rows, const clarity_options& options, std::vector<finding>& out) {
  for (const checked_row& row : rows) {
    if (!row.is_preference()) continue;
    const auto tied = [&](std::size_t a, std::size_t b) {
      const auto& scores = row.source->scores;
      return row.source->kind == example_kind::ranked && scores.size() == row.answers.size() && scores[a] == scores[b];
    };
    for (std::size_t a = 0; a < row.answers.size(); ++a)
      for (std::size_t b = a + 1; b < row.answers.size(); ++b) {
        const checked_answer &x = row.answers[a], &y = row.answers[b];
        std::string what = x.name;
        what += " and ";
        what += y.name;
        const std::size_t shorter = std::min(x.text.size(), y.text.size()), longer = std::max(x.text.size(), y.text.size());
        if (static_cast<double>(longer) > 16 + 8 * static_cast<double>(shorter) || tied(a, b))
          continue;  // too different in length to be alike
        const double similarity = text_similarity(x.text, y.text);
        if (similarity == 1 && collapsed(x.text) == collapsed(y.text)) {
          what += " are the same text";
          out.push_back({"equal", row.line(), std::move(what)});
        } else if (similarity >= options.max_similarity) {
          what += " share ";
          what += detail::rounded_text(100 * similarity);
          what += " % of their character trigrams";
          out.push_back({"alike", row.line(), std::move(what)});
        }
      }
  }
}

/// margin: scores of a pair that differ by no more than min_margin or prefer the rejected answer; a win probability of at most 1/2.
inline void check_margins(std::span<const checked_row> rows, const clarity_options& options, std::vector<finding>& out) {
  for (const checked_row& row : rows) {
    const example& e = *row.source;
    if (e.kind != example_kind::pair) continue;
    std::string what;
    if (e.scores.size() == 2) {
      const double margin = e.scores[0] - e.scores[1];
      if (!(margin > options.min_margin)) {
        what = margin < 0 ? "the rejected answer has the higher score (" : "the scores are too close (";
        what += detail::rounded_text(e.scores[0]);
        what += " chosen, ";
        what += detail::rounded_text(e.scores[1]);
        what += " rejected)";
      }
    }
    if (what.empty() && e.win_probability <= 0.5) {
      what = "the chosen answer wins with probability ";
      what += detail::rounded_text(e.win_probability);
    }
    if (!what.empty()) out.push_back({"margin", row.line(), std::move(what)});
  }
}

}  // namespace tilt
