// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/clarity.hpp>
#include <tilt/check/conversation.hpp>
#include <tilt/check/diversity.hpp>
#include <tilt/check/encoding.hpp>
#include <tilt/check/label_noise.hpp>
#include <tilt/check/length_bias.hpp>
#include <tilt/check/preference_graph.hpp>
#include <tilt/check/refusal.hpp>
#include <tilt/check/repetition.hpp>
#include <tilt/check/sentence_end.hpp>
#include <tilt/check/template_marks.hpp>
#include <tilt/check/tokens.hpp>
#include <tilt/check/white_space.hpp>

namespace tilt {

struct check_options {
  clarity_options clarity = {};
  repetition_options repetition = {};
  near_duplicate_options prompts = {};
  std::size_t min_sentence_words = 6;  ///< an answer of fewer words cannot stop in mid-sentence
  std::size_t min_answer_words = 8;    ///< an answer of fewer may stand under several prompts
  double max_length_bias = 0.1;        ///< |share of pairs whose chosen is longer − 1/2|
  std::vector<std::string> refusals = usual_refusals();
  const text_encoder* encoder = nullptr;  ///< for `merge` and `too_long`, which are left out without it
  index max_length = 1024;                ///< tokens, for `too_long`
  /// A reward model's scores for `label_noise` (see check_labels), which is left out without them.
  std::vector<std::vector<double>> rewards = {};
  double min_win_probability = 0.1;        ///< of the better answer
  std::vector<std::string> disabled = {};  ///< names of checks that are left out
};

struct check_report {
  std::vector<finding> findings;  ///< by check in the order of check_table, then by line; at most one of a check at a line
  tilt::coverage coverage;
  length_bias lengths;
  label_noise labels;
};

/// empty: answers without a visible character.
inline void check_empty(std::span<const checked_row> rows, std::vector<finding>& out) {
  for (const checked_row& row : rows)
    for (const checked_answer& a : row.answers)
      if (collapsed(a.text).empty())
        out.push_back({"empty", row.line(), a.name + std::string(a.text.empty() ? " is empty" : " is white space")});
}

/// Findings in the order of check_table, then by line; those of one check at one line become one.
inline std::vector<finding> in_order(std::vector<finding> findings) {
  const auto rank = [](const finding& f) { return find_check(f.check) - check_table.data(); };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const finding& a, const finding& b) { return std::pair(rank(a), a.line) < std::pair(rank(b), b.line); });
  std::vector<finding> merged;
  for (finding& f : findings) {
    if (merged.empty() || merged.back().check != f.check || merged.back().line != f.line || f.line == 0) {
      merged.push_back(std::move(f));
      continue;
    }
    merged.back().what += "; ";
    merged.back().what += f.what;
    merged.back().others.insert(merged.back().others.end(), f.others.begin(), f.others.end());
  }
  return merged;
}

/// All checks of examples. Deterministic; near linear in the size of the data.
inline check_report check_data(std::span<const example> examples, const check_options& options = {}) {
  const std::vector<checked_row> rows = rows_of(examples);
  check_report report;
  std::vector<finding> all;
  check_likeness(rows, options.clarity, all);
  check_margins(rows, options.clarity, all);
  check_preferences(rows, all);
  if (!options.rewards.empty()) report.labels = check_labels(examples, rows, options.rewards, options.min_win_probability, all);
  check_empty(rows, all);
  check_sentence_ends(rows, options.min_sentence_words, all);
  if (options.encoder != nullptr) check_tokens(rows, *options.encoder, options.max_length, all);
  check_repetition(rows, options.repetition, all);
  check_refusals(rows, options.refusals, all);
  check_encoding(rows, all);
  report.lengths = measure_length_bias(rows);
  check_length_bias(report.lengths, options.max_length_bias, all);
  check_prompts(rows, options.prompts, all);
  check_repeated_answers(rows, options.min_answer_words, all);
  check_prompt_is_there(rows, all);
  check_roles(rows, all);
  check_system_prompts(rows, all);
  check_template_marks(rows, all);
  check_white_space(rows, all);
  report.coverage = measure_coverage(rows);
  std::erase_if(all, [&](const finding& f) {
    return std::find(options.disabled.begin(), options.disabled.end(), f.check) != options.disabled.end();
  });
  report.findings = in_order(std::move(all));
  return report;
}

}  // namespace tilt
