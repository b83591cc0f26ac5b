// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>

namespace tilt {

struct repetition_options {
  double max_repetition = 0.3;  ///< share of an answer's runs of `ngram` words that stand in it before
  std::size_t ngram = 4;
  std::size_t min_words = 20;  ///< shorter answers are judged by loops alone
};

/// Of all runs of n words, the share that the text has had before: 1 − distinct / all. 0 where there are none.
inline double repeated_share(std::span<const std::uint64_t> words, std::size_t n) {
  const std::vector<std::uint64_t> all = ngrams(words, n);
  return all.empty() ? 0 : 1 - static_cast<double>(as_set(all).size()) / static_cast<double>(all.size());
}

/// A phrase that comes again and again without a break.
struct word_loop {
  std::size_t phrase = 0;  ///< its words
  std::size_t times = 0;   ///< how often it stands there in a row
};

/// The loop that covers most words, of phrases of up to 12 words. O(12 · words).
inline word_loop longest_loop(std::span<const std::uint64_t> words) {
  word_loop best;
  std::size_t covered = 0;
  for (std::size_t period = 1; period <= 12; ++period)
    for (std::size_t i = period, run = 0; i < words.size(); ++i) {
      run = words[i] == words[i - period] ? run + 1 : 0;
      const std::size_t times = run / period + 1;
      if (times > 1 && times * period > covered) covered = times * period, best = {period, times};
    }
  return best;
}

/// The longest run of one letter.
inline std::size_t longest_letter_run(std::string_view text) {
  std::size_t best = 0, run = 0;
  char32_t before = 0;
  detail::each_character(text, [&](char32_t c, std::string_view) {
    run = c == before ? run + 1 : 1;
    before = c;
    if (detail::is_word_character(c) && c != '_' && !(c >= '0' && c <= '9')) best = std::max(best, run);
  });
  return best;
}

/// repetition: an answer whose share of repeated n-grams exceeds max_repetition; a phrase six times in a row (one word), four times (up to
/// four words) or three times (more); a letter ten times in a row.
inline void check_repetition(std::span<const checked_row> rows, const repetition_options& options, std::vector<finding>& out) {
  for (const checked_row& row : rows)
    for (const checked_answer& a : row.answers) {
      std::string what = a.name;
      const word_loop loop = longest_loop(a.words);
      const double share = a.words.size() < options.min_words ? 0 : repeated_share(a.words, options.ngram);
      if (loop.times >= (loop.phrase == 1 ? 6u : loop.phrase <= 4 ? 4u : 3u)) {
        what += " has a phrase of ";
        what += std::to_string(loop.phrase);
        what += loop.phrase == 1 ? " word " : " words ";
        what += std::to_string(loop.times);
        what += " times in a row";
      } else if (share > options.max_repetition) {
        what += " has had ";
        what += detail::rounded_text(100 * share);
        what += " % of its runs of ";
        what += std::to_string(options.ngram);
        what += " words before";
      } else if (const std::size_t run = longest_letter_run(a.text); run >= 10) {
        what += " has a letter ";
        what += std::to_string(run);
        what += " times in a row";
      } else {
        continue;
      }
      out.push_back({"repetition", row.line(), std::move(what)});
    }
}

}  // namespace tilt
