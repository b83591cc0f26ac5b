// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <tilt/data/clustered.hpp>
#include <vector>

#include "answers.hpp"
#include "lexicon.hpp"
#include "session.hpp"
#include "verdicts.hpp"

namespace tilt::program {

/// A model with its answers, and what was found out about them.
struct contender {
  std::string model;
  answer_lists answers = {};
  std::optional<std::vector<std::vector<double>>> log_ratios = {};  ///< Σ log π − log π_ref of each answer, where there is a reference
  std::optional<verdicts> by_score = {}, by_judge = {};             ///< against the first model
};

/// What a model's answers come to. Errors and intervals take a prompt's answers for a cluster (tilt/data/clustered.hpp).
struct measures {
  std::optional<mean_estimate> reward;      ///< where answers have scores
  std::optional<mean_estimate> difference;  ///< of the reward from the first model's, answer by answer
  std::optional<interval> win_by_score, win_by_judge;
  std::optional<mean_estimate> kl;  ///< KL(π‖π_ref) in nats an answer
  mean_estimate tokens;             ///< of an answer, its end token included
  mean_estimate ended;              ///< share that an end token or a stop string has ended
  double distinct_1 = 0, distinct_2 = 0;
  mean_estimate toxic;  ///< share with a word of the lexicon
};
/// `scored`: whether answers have scores.
measures measure(const contender& model, const contender& first, bool scored, const lexicon& toxic);

/// Σ log π − log π_ref of each answer under the reference. Nothing where the reference has other tokens than the model: another vocabulary, or
/// other tokens for the same prompts. They are kept as they come. Throws input_error where it has too few positions.
std::optional<std::vector<std::vector<double>>> log_ratios(const answer_lists& answers, std::span<const prompt_text> prompts,
                                                           session& reference, const model_folder& reference_folder,
                                                           std::span<const prompt_text> prompts_of_reference, index max_tokens,
                                                           kept_lines* kept = nullptr);

/// "0.61 (0.48–0.73)".
std::string share_text(const interval& share);
/// "1.23 ± 0.04", or the mean alone where its error cannot be told.
std::string mean_text(const mean_estimate& mean, int digits);
/// As comparison.json has them; null where there is none.
nlohmann::ordered_json json_of(const std::optional<mean_estimate>& mean);
nlohmann::ordered_json json_of(const std::optional<interval>& share);
nlohmann::ordered_json json_of(const measures& m);

}  // namespace tilt::program
