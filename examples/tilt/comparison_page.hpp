// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "table.hpp"

namespace tilt::program {

/// A comparison as people read it.
struct comparison {
  std::vector<prompt_text> prompts;
  std::vector<contender> models = {};  ///< the first is what the others are held against
  std::vector<measures> measured = {};
  bool scored = false;                  ///< answers have scores
  std::vector<std::string> notes = {};  ///< sentences on how it came about
};

/// One row a model; columns that no model fills are left out.
table table_of(const comparison& c);

/// A page that needs nothing but itself, without scripts: the table, then prompt by prompt the models' answers side by side with what was made
/// of them. Texts are escaped.
std::string page_of(const comparison& c);

/// The same as JSON: measures of each model, then every answer.
nlohmann::ordered_json json_of(const comparison& c);

}  // namespace tilt::program
