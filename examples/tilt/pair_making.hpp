// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <tilt/data/preferences.hpp>
#include <vector>

#include "answers.hpp"
#include "settings.hpp"

namespace tilt::program {

/// Which of a prompt's scored answers become preferences, and how they are labelled.
struct pair_making {
  preference_options how;

  /// `beta`: the name of the labels' β, as --beta may be a loss's.
  void add(settings& options, const char* beta = "beta");
  /// After the options were applied. Throws input_error by the name that the user wrote.
  void check(settings& options) const;

 private:
  std::string beta_ = "beta";
};

/// Preferences as JSONL, and what became of the answers.
struct made_preferences {
  std::vector<std::string> lines;
  index tied = 0;    ///< pairs of equal scores
  index silent = 0;  ///< prompts without a preference
};

/// `provenance`: what stands in each line of where it comes from, before the two answers' own. Throws input_error where no two answers of a
/// prompt differ as they are to.
made_preferences make_preferences(std::span<const prompt_text> prompts, const answer_lists& answers, const pair_making& pairs,
                                  const nlohmann::ordered_json& provenance);

}  // namespace tilt::program
