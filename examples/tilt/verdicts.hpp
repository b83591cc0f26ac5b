// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "answers.hpp"

namespace tilt::program {

/// For each prompt, answer by answer, whether a model's is better than another model's of the same number: 1, 0, or 1/2 for a tie.
struct verdicts {
  std::vector<std::vector<double>> wins;
  index comparisons = 0, ties = 0;
  index by_place = 0;  ///< a judge's ties that come of its preferring the first, or the second, of two in both orders
};

/// By the answers' scores.
verdicts verdicts_by_score(const answer_lists& answers, const answer_lists& baseline);

/// By a judge, who is asked of every two answers in both orders, as judges have a liking for places (Zheng et al. 2023, arXiv:2306.05685): a
/// win counts where both agree, else the two tie. Two equal texts tie unasked. One for each of `others`; the judge runs once. Throws
/// input_error.
std::vector<verdicts> verdicts_by_judge(const std::string& command, std::span<const prompt_text> prompts, const answer_lists& baseline,
                                        std::span<const answer_lists* const> others);

}  // namespace tilt::program
