// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <span>

#include "comparison.hpp"

namespace tilt::program {

/// A model's answers with what was found out about them.
struct kept_answers {
  contender of;
  bool scored = false;
};

/// Writes JSONL, a line a prompt with its answers and what is known of each; the file is there whole or not at all. Throws input_error.
void write_answers(const std::filesystem::path& file, std::span<const prompt_text> prompts, const kept_answers& answers);

/// Reads it back, number for number. Throws input_error where the file is not of these prompts, or not whole.
kept_answers read_answers(const std::filesystem::path& file, std::span<const prompt_text> prompts);

}  // namespace tilt::program
