// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <tilt/scalar/config.hpp>
#include <vector>

#include "settings.hpp"

namespace tilt {
class model_folder;
}

namespace tilt::program {

/// How a model is given prompts.
struct prompt_options {
  bool chat = false;            ///< in its chat template, as the user's message
  index max_prompt_length = 0;  ///< tokens, of which a longer prompt keeps its last; 0: no limit

  void add_max_prompt_length(settings& options);
};

/// A text that the model continues.
struct prompt_text {
  std::string shown;            ///< as text, a conversation in the model's template
  nlohmann::json given;         ///< as it was given: a text or messages
  std::vector<token> ids;       ///< what the model reads, cut where that was asked for
  bool conversational = false;  ///< whether the model's chat template was put around it
  std::string where = {};       ///< "prompts.jsonl:3", or the option that gave it

  /// As a file of preferences has it: a text, or messages.
  nlohmann::json json() const {
    if (!conversational || given.is_array()) return given;
    return nlohmann::json::array({{{"role", "user"}, {"content", given}}});
  }
};

/// A prompt as the model reads it. Throws input_error.
prompt_text prompt_of(const model_folder& folder, const std::string& text, const prompt_options& how);

/// The prompts of a file, or of standard input where the path is empty or "-": JSONL with "prompt" (a text or messages) or with pairs, whose
/// common beginning is taken; or lines of text. A word on standard error says how many were cut, but where `told`, which keeps that number
/// for the next reading, has it already. Throws input_error with the line.
std::vector<prompt_text> read_prompts(const model_folder& folder, const std::string& path, const prompt_options& how,
                                      std::size_t* told = nullptr);

/// Throws input_error, with file, line and remedy, on a prompt that leaves no room for max_new_tokens in the model's positions or for any in
/// max_length (0: no bound). The last of the new tokens takes no position, as nothing is predicted from it.
void require_room(index positions, std::span<const prompt_text> prompts, index max_new_tokens, index max_length = 0);

}  // namespace tilt::program
