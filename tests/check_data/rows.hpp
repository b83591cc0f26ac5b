// SPDX-License-Identifier: Apache-2.0
#pragma once
// Examples written on the spot, and what the checks say of them.
#include <algorithm>
#include <string>
#include <tilt/check/check_data.hpp>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace tilt::test {

inline example_part text_part(std::string text) { return {std::move(text), {}, false}; }
inline example_part chat_part(std::vector<message> messages) { return {{}, std::move(messages), true}; }

inline example text_pair(std::string prompt, std::string chosen, std::string rejected) {
  example e;
  e.kind = example_kind::pair;
  e.prompt = text_part(std::move(prompt));
  e.chosen = text_part(std::move(chosen));
  e.rejected = text_part(std::move(rejected));
  return e;
}

/// Gives each its number as line.
inline std::vector<example> numbered(std::vector<example> examples) {
  for (std::size_t i = 0; i < examples.size(); ++i) examples[i].line = static_cast<index>(i) + 1;
  return examples;
}

/// The lines that a check accuses.
inline std::vector<index> accused(const std::vector<finding>& findings, std::string_view check) {
  std::vector<index> lines;
  for (const finding& f : findings)
    if (f.check == check) lines.push_back(f.line);
  std::sort(lines.begin(), lines.end());
  return lines;
}
inline std::vector<index> accused(std::vector<example> examples, std::string_view check, const check_options& options = {}) {
  const std::vector<example> all = numbered(std::move(examples));
  return accused(check_data(all, options).findings, check);
}
using lines = std::vector<index>;

}  // namespace tilt::test
