// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <tilt/io/examples.hpp>
#include <vector>

#include "answers.hpp"
#include "session.hpp"
#include "settings.hpp"

namespace tilt::program {

/// A score of a text without a model: words, how often the keyword stands there, or the share of different pairs of words.
struct text_rule {
  std::string name, keyword;  ///< no name: no rule

  void add(settings& options);
  /// After the options were applied: that it has what it needs. Throws input_error.
  void check(settings& options) const;
  explicit operator bool() const { return !name.empty(); }
  /// Of the rule keyword: keyword "happy".
  std::string described() const;
  double operator()(const std::string& text) const;
};

/// What scores answers: a judge, a rule or a reward model.
struct scorer {
  std::string judge_command, reward_model;
  text_rule rule;

  void add(settings& options);
  /// After the options were applied: that there is exactly one, and what it needs. Throws input_error.
  void check(settings& options) const;
  /// The rule, the judge's command or the reward model's folder.
  const std::string& name() const { return rule ? rule.name : !judge_command.empty() ? judge_command : reward_model; }

  /// Sets the answers' scores. A judge is asked of prompts with two answers or more alone. A reward model's scores are kept as they come.
  /// Throws input_error.
  void score(std::span<const prompt_text> prompts, answer_lists& answers, const compute& machine, index max_tokens,
             kept_lines* kept = nullptr) const;
};

/// Throws input_error unless the folder is a reward model's.
void require_reward_model(const std::string& path, const model_folder& folder);

/// A reward model's score of every answer, prompt after prompt; of an empty one, that of its end. Throws input_error.
std::vector<double> reward_scores(const std::string& reward_model, std::span<const prompt_text> prompts, const answer_lists& answers,
                                  const compute& machine, index max_tokens, kept_lines* kept = nullptr);

/// Throws input_error, which names the option, where the folder is a reward model's.
void require_language_model(const char* option, const model_folder& folder);

/// A reward model's scores of the answers of pairs and rankings, the best first; empty for other examples, and where a prompt with its
/// longest answer is longer than the model's positions, or nothing precedes answers that begin differently. `file` is named in errors. Throws
/// input_error.
std::vector<std::vector<double>> preference_rewards(const std::string& reward_model, std::span<const example> examples,
                                                    const std::string& file, const compute& machine, index max_tokens);

}  // namespace tilt::program
