// SPDX-License-Identifier: Apache-2.0
#include "comparison.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tilt/check/diversity.hpp>
#include <tilt/io/model_folder.hpp>

#include "interruption.hpp"
#include "kept_lines.hpp"
#include "progress.hpp"
#include "table.hpp"

namespace tilt::program {
namespace {

constexpr std::size_t scored_at_once = 64;  // prompts, between which log-ratios are kept

template <class Of> mean_estimate mean_of(const answer_lists& answers, const Of& of) {
  std::vector<std::vector<double>> values(answers.size());
  for (std::size_t p = 0; p < answers.size(); ++p)
    for (const answer& a : answers[p]) values[p].push_back(of(a));
  return clustered_mean(values);
}

}  // namespace

measures measure(const contender& model, const contender& first, bool scored, const lexicon& toxic) {
  measures m;
  const answer_lists& answers = model.answers;
  if (scored) {
    m.reward = mean_of(answers, [](const answer& a) { return a.score; });
    std::vector<std::vector<double>> differences(answers.size());
    for (std::size_t p = 0; p < answers.size(); ++p)
      for (std::size_t j = 0; j < answers[p].size(); ++j) differences[p].push_back(answers[p][j].score - first.answers[p][j].score);
    m.difference = clustered_mean(differences);
  }
  if (model.by_score) m.win_by_score = clustered_share(model.by_score->wins);
  if (model.by_judge) m.win_by_judge = clustered_share(model.by_judge->wins);
  if (model.log_ratios) m.kl = clustered_mean(*model.log_ratios);
  m.tokens = mean_of(answers, [](const answer& a) { return static_cast<double>(a.ids.size()); });
  m.ended = mean_of(answers, [](const answer& a) { return a.ended ? 1.0 : 0.0; });
  distinct_share one(1), two(2);
  m.toxic = mean_of(answers, [&](const answer& a) {
    const auto words = words_of(a.text);
    one.add(words);
    two.add(words);
    return toxic.marks(words) ? 1.0 : 0.0;
  });
  m.distinct_1 = one.value();
  m.distinct_2 = two.value();
  return m;
}

std::optional<std::vector<std::vector<double>>> log_ratios(const answer_lists& answers, std::span<const prompt_text> prompts,
                                                           session& reference, const model_folder& reference_folder,
                                                           std::span<const prompt_text> prompts_of_reference, index max_tokens,
                                                           kept_lines* kept) {
  const index positions = reference_folder.config().max_position_embeddings;
  std::vector<prompt_tree> trees;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    if (prompts[p].ids != prompts_of_reference[p].ids) return std::nullopt;
    prompt_tree tree{.prompt = prompts[p].ids};
    for (const answer& a : answers[p]) {
      for (const token id : a.ids)
        if (id >= reference_folder.config().vocab_size) return std::nullopt;
      if (static_cast<index>(tree.prompt.size() + a.ids.size()) > positions)
        throw input_error(reference_folder.path().string() + ": has " + std::to_string(positions) + " positions, and prompt " +
                          std::to_string(p + 1) + " with its answer is longer; bound it by --max-length");
      tree.responses.push_back({a.ids});
    }
    trees.push_back(std::move(tree));
  }
  progress bar("reference", static_cast<index>(trees.size()), {.unit = "prompts"});
  return find_values<std::vector<double>>(trees.size(), scored_at_once, kept, [&](std::size_t first, std::size_t some) {
    interruption::heed();  // between batches, as what was computed is kept
    const std::vector<double> logps = reference.score(std::span(trees).subspan(first, some), max_tokens,
                                                      [&](index done) { bar.update(static_cast<index>(first) + done); });
    std::vector<std::vector<double>> ratios(some);
    auto at = logps.begin();
    for (std::size_t p = 0; p < some; ++p)
      for (const answer& a : answers[first + p]) {
        const auto end = at + static_cast<std::ptrdiff_t>(a.ids.size());
        ratios[p].push_back(a.logp - std::accumulate(at, end, 0.0));
        at = end;
      }
    return ratios;
  });
}

std::string share_text(const interval& share) { return decimal(share.value) + " (" + decimal(share.low) + "–" + decimal(share.high) + ")"; }

std::string mean_text(const mean_estimate& m, int digits) {
  return std::isfinite(m.standard_error) ? with_error(m.value, m.standard_error, digits) : decimal(m.value, digits);
}

nlohmann::ordered_json json_of(const std::optional<mean_estimate>& mean) {
  if (!mean) return nullptr;
  nlohmann::ordered_json error = nullptr;
  if (std::isfinite(mean->standard_error)) error = mean->standard_error;
  return {{"mean", mean->value}, {"standard_error", error}};
}
nlohmann::ordered_json json_of(const std::optional<interval>& share) {
  if (!share) return nullptr;
  return {{"share", share->value}, {"low", share->low}, {"high", share->high}};
}
nlohmann::ordered_json json_of(const measures& m) {
  return {{"win_rate_by_score", json_of(m.win_by_score)},
          {"win_rate_by_judge", json_of(m.win_by_judge)},
          {"reward", json_of(m.reward)},
          {"reward_difference", json_of(m.difference)},
          {"kl", json_of(m.kl)},
          {"tokens", json_of(std::optional(m.tokens))},
          {"ended", json_of(std::optional(m.ended))},
          {"distinct_1", m.distinct_1},
          {"distinct_2", m.distinct_2},
          {"toxic", json_of(std::optional(m.toxic))}};
}

}  // namespace tilt::program
