// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <tilt/scalar/config.hpp>
#include <vector>

#include "prompts.hpp"
#include "sampling_settings.hpp"
#include "session.hpp"

namespace tilt::program {

class kept_lines;

/// A model's answer to a prompt.
struct answer {
  std::string text;
  double temperature = 1;
  index sample = 0;        ///< its number among the prompt's at that temperature
  bool ended = false;      ///< by an end token or a stop string, and not by its length
  double score = 0;        ///< by a rule, a reward model or a judge, once one was asked
  std::vector<token> ids;  ///< the end token included
  double logp = 0;         ///< Σ log π of the ids, the model's own: without temperature, top_k, …
};
void to_json(nlohmann::json& line, const answer& a);
/// Throws nlohmann::json::exception.
void from_json(const nlohmann::json& line, answer& a);
/// Those of each prompt.
using answer_lists = std::vector<std::vector<answer>>;

/// How answers are sampled.
struct answer_options {
  index samples = 4;  ///< to each prompt at each temperature
  std::vector<double> temperatures{1};
  text_options text;
  std::uint64_t seed = 42;

  /// Adds the options, but for the seed.
  void add(settings& options);
  /// After the options were applied. Throws input_error by the name that the user wrote.
  void check(settings& options);
  /// Whether the answers are the model's own distribution, of which alone their log-probabilities estimate a KL divergence.
  bool plain() const;
};

/// Answers to each prompt, temperature after temperature: a function of the seed (of the i-th temperature, seed + i), the prompt and the
/// answer's number, whatever else is sampled beside it. Those of a prompt at a temperature that are kept are taken from there; new ones are kept.
/// Shows progress under `title`. Throws input_error, in the words of the options.
answer_lists sample_answers(session& model, const model_folder& folder, std::span<const prompt_text> prompts, const answer_options& how,
                            settings& options, const std::string& title, kept_lines* kept = nullptr);

/// Leaves the empty ones out, and those that repeat another answer to the same prompt.
struct left_out {
  index empty = 0, repeated = 0;
};
left_out keep_distinct(answer_lists& answers);

}  // namespace tilt::program
