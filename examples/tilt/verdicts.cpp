// SPDX-License-Identifier: Apache-2.0
#include "verdicts.hpp"

#include "judge.hpp"

namespace tilt::program {
namespace {

double outcome(double own, double other) { return own > other ? 1 : own < other ? 0 : 0.5; }

void count(verdicts& v, std::size_t prompt, double win) {
  v.wins.resize(prompt + 1);
  v.wins[prompt].push_back(win);
  ++v.comparisons;
  v.ties += win == 0.5;
}

}  // namespace

verdicts verdicts_by_score(const answer_lists& answers, const answer_lists& baseline) {
  verdicts v;
  for (std::size_t p = 0; p < answers.size(); ++p)
    for (std::size_t j = 0; j < answers[p].size(); ++j) count(v, p, outcome(answers[p][j].score, baseline[p][j].score));
  return v;
}

std::vector<verdicts> verdicts_by_judge(const std::string& command, std::span<const prompt_text> prompts, const answer_lists& baseline,
                                        std::span<const answer_lists* const> others) {
  std::vector<judged_prompt> questions;
  for (const answer_lists* answers : others)
    for (std::size_t p = 0; p < prompts.size(); ++p)
      for (std::size_t j = 0; j < (*answers)[p].size(); ++j) {
        const std::string &own = (*answers)[p][j].text, &other = baseline[p][j].text;
        if (own == other) continue;
        questions.push_back({prompts[p].given, {own, other}});
        questions.push_back({prompts[p].given, {other, own}});
      }
  const auto scores = questions.empty() ? std::vector<std::vector<double>>() : judge(command, questions);
  std::vector<verdicts> all;
  std::size_t at = 0;
  for (const answer_lists* answers : others) {
    verdicts& v = all.emplace_back();
    for (std::size_t p = 0; p < prompts.size(); ++p)
      for (std::size_t j = 0; j < (*answers)[p].size(); ++j) {
        if ((*answers)[p][j].text == baseline[p][j].text) {
          count(v, p, 0.5);
          continue;
        }
        const double first = outcome(scores[at][0], scores[at][1]), second = outcome(scores[at + 1][1], scores[at + 1][0]);
        at += 2;
        count(v, p, first == second ? first : 0.5);
        v.by_place += first + second == 1 && first != second;
      }
  }
  return all;
}

}  // namespace tilt::program
