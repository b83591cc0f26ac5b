// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/scalar/config.hpp>
#include <vector>

namespace tilt {
class model_folder;
}

namespace tilt::program {

/// A text that the model continues.
struct prompt_text {
  std::string shown;     ///< as text, a conversation in the model's template
  nlohmann::json given;  ///< as it was given: a text or messages
  std::vector<token> ids;
  bool conversational = false;  ///< whether the model's chat template was put around it

  /// As a file of preferences has it: a text, or messages.
  nlohmann::json json() const {
    if (!conversational || given.is_array()) return given;
    return nlohmann::json::array({{{"role", "user"}, {"content", given}}});
  }
};

/// A prompt as the model reads it; with `chat` it becomes the user's message in the model's chat template. Throws input_error.
prompt_text prompt_of(const model_folder& folder, const std::string& text, bool chat);

/// The prompts of a file, or of standard input where the path is empty or "-": JSONL with "prompt" (a text or messages), or lines of text.
/// Throws input_error with the line.
std::vector<prompt_text> read_prompts(const model_folder& folder, const std::string& path, bool chat);

}  // namespace tilt::program
