// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <tilt/check/finding.hpp>
#include <tilt/check/near_duplicates.hpp>
#include <tilt/check/rows.hpp>
#include <unordered_map>
#include <unordered_set>

namespace tilt {

/// distinct-n (Li et al. 2016, arXiv:1510.03055): distinct runs of n words over all of them, of a set of texts. It falls as the texts
/// grow, so it compares sets of the same size only.
struct distinct_ngrams {
  std::array<double, 3> share = {};  ///< for n = 1, 2, 3
};

/// Distinct prompts and answers, and how many answers a prompt has.
struct coverage {
  index rows = 0, prompts = 0, answers = 0, distinct_answers = 0;
  double answers_per_prompt = 0;  ///< distinct ones, mean
  index most_answers = 0;         ///< of one prompt
  distinct_ngrams better, worse;  ///< of chosen (best) and rejected (worst) answers; of other data, `better` alone
};

/// The distinct runs of n words among all that were added, as a share of these; 0 of none.
class distinct_share {
 public:
  explicit distinct_share(std::size_t n) : n_(n) {}
  void add(std::span<const std::uint64_t> words) {
    const auto grams = ngrams(words, n_);
    total_ += grams.size();
    seen_.insert(grams.begin(), grams.end());
  }
  double value() const { return total_ == 0 ? 0 : static_cast<double>(seen_.size()) / static_cast<double>(total_); }

 private:
  std::size_t n_, total_ = 0;
  std::unordered_set<std::uint64_t> seen_;
};

inline distinct_ngrams measure_distinct(std::span<const checked_row> rows, bool worst) {
  distinct_ngrams d;
  for (std::size_t n = 1; n <= 3; ++n) {
    distinct_share share(n);
    for (const checked_row& row : rows)
      if (!worst || row.is_preference()) share.add(worst ? row.answers.back().words : row.answers.front().words);
    d.share[n - 1] = share.value();
  }
  return d;
}

/// O(words).
inline coverage measure_coverage(std::span<const checked_row> rows) {
  coverage c;
  std::unordered_map<std::uint64_t, std::unordered_set<std::uint64_t>> answers_to;
  std::unordered_set<std::uint64_t> distinct;
  for (const checked_row& row : rows) {
    auto& answers = answers_to[text_hash(collapsed(row.prompt))];
    for (const checked_answer& a : row.answers) {
      const std::uint64_t h = text_hash(collapsed(a.text));
      answers.insert(h);
      distinct.insert(h);
      ++c.answers;
    }
  }
  c.rows = static_cast<index>(rows.size());
  c.prompts = static_cast<index>(answers_to.size());
  c.distinct_answers = static_cast<index>(distinct.size());
  std::size_t sum = 0, most = 0;
  for (const auto& [prompt, answers] : answers_to) sum += answers.size(), most = std::max(most, answers.size());
  c.answers_per_prompt = answers_to.empty() ? 0 : static_cast<double>(sum) / static_cast<double>(answers_to.size());
  c.most_answers = static_cast<index>(most);
  c.better = measure_distinct(rows, false);
  c.worse = measure_distinct(rows, true);
  return c;
}

/// near_duplicate_prompt: prompts whose sets of three-word runs nearly equal those of an earlier, different prompt. The very same prompt is
/// reported where that is the exception: where fewer than a tenth of the rows share theirs with another. Prompts without words are passed by.
inline void check_prompts(std::span<const checked_row> rows, const near_duplicate_options& options, std::vector<finding>& out) {
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> same;
  std::vector<std::size_t> firsts;  // rows, one for each distinct prompt
  std::vector<std::vector<std::uint64_t>> sets;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].prompt_words.empty()) continue;
    auto& members = same[text_hash(collapsed(rows[i].prompt))];
    members.push_back(i);
    if (members.size() > 1) continue;
    firsts.push_back(i);
    const auto& words = rows[i].prompt_words;
    sets.push_back(as_set(ngrams(words, std::min<std::size_t>(3, words.size()))));
  }
  const auto tell = [&](std::size_t i, std::size_t earlier, const std::string& how) {
    std::string what = "the prompt ";
    what += how;
    what += " line ";
    what += std::to_string(rows[earlier].line());
    out.push_back({"near_duplicate_prompt", rows[i].line(), std::move(what), {rows[earlier].line()}});
  };
  std::size_t sharing = 0;
  for (const auto& [hash, members] : same) sharing += members.size() > 1 ? members.size() : 0;
  if (10 * sharing < rows.size())
    for (const std::size_t first : firsts)
      for (const std::size_t i : same[text_hash(collapsed(rows[first].prompt))])
        if (i != first) tell(i, first, "is that of");
  for (const near_duplicate& d : find_near_duplicates(sets, options)) {
    std::string how = "shares ";
    how += detail::rounded_text(100 * d.similarity);
    how += " % of its three-word runs with";
    tell(firsts[d.set], firsts[d.earlier], how);
  }
}

/// repeated_answer: an answer of at least `min_words` words that stands under an earlier, different prompt too.
inline void check_repeated_answers(std::span<const checked_row> rows, std::size_t min_words, std::vector<finding>& out) {
  struct place {
    std::uint64_t prompt;
    index line;
  };
  std::unordered_map<std::uint64_t, place> seen;
  for (const checked_row& row : rows) {
    const std::uint64_t prompt = text_hash(collapsed(row.prompt));
    for (const checked_answer& a : row.answers) {
      if (a.words.size() < min_words) continue;
      const auto [first, fresh] = seen.try_emplace(text_hash(collapsed(a.text)), place{prompt, row.line()});
      if (fresh || first->second.prompt == prompt || first->second.line == row.line()) continue;
      std::string what = a.name;
      what += " stands at line ";
      what += std::to_string(first->second.line);
      what += " too, under another prompt";
      out.push_back({"repeated_answer", row.line(), std::move(what), {first->second.line}});
    }
  }
}

}  // namespace tilt
