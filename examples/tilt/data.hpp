// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/data/prompt_tree.hpp>
#include <vector>

namespace tilt {
class model_folder;
}

namespace tilt::program {

enum class data_shape { pairs, rankings, labelled, demonstrations, prompts };

struct data_rules {
  index max_length = 1024;
  index max_prompt_length = 0;
  bool drop_longer = false;          ///< leave examples out that max_length would cut
  bool drop_empty = false;           ///< leave examples without a completion out, instead of refusing them
  bool completion_only_loss = true;  ///< of demonstrations: predict the completion, not the prompt
  index max_new_tokens = 1;          ///< of prompts: what is to be sampled behind them
};

/// A file's examples as trees, with a word on standard error of what was left out and what was cut. Throws input_error with file and
/// line; a file of which nothing can be used is one.
std::vector<prompt_tree> load_data(const std::string& path, data_shape shape, const model_folder& folder, const data_rules& rules);

}  // namespace tilt::program
