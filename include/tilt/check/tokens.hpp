// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/check/finding.hpp>
#include <tilt/check/rows.hpp>
#include <tilt/io/tokenize.hpp>

namespace tilt {

/// merge, too_long: what a model's tokenizer makes of the rows, by the code that training uses. A prompt whose last token merges with an
/// answer's first is shortened by it, so that the model learns to write the prompt's end. `max_length` in tokens, the end token included; 0:
/// any length. Rows without a completion are left to `empty`. Throws input_error where a conversation has no template.
inline void check_tokens(std::span<const checked_row> rows, const text_encoder& encoder, index max_length, std::vector<finding>& out) {
  for (const checked_row& row : rows) {
    const std::span<const example> one(row.source, 1);
    const tokenize_options no_limit{.max_length = 0};
    tokenized_examples made;
    if (row.is_preference())
      made = tokenize_rankings(one, encoder, no_limit);
    else if (row.source->kind == example_kind::labelled)
      made = tokenize_labelled(one, encoder, no_limit);
    else
      made = tokenize_demonstrations(one, encoder, no_limit);
    if (made.report.merged_boundaries > 0) out.push_back({"merge", row.line(), "the prompt's last token merges with an answer's first"});
    if (made.trees.empty() || max_length <= 0) continue;
    const prompt_tree& tree = made.trees.front();
    std::size_t longest = 0;
    for (const response& r : tree.responses) longest = std::max(longest, r.tokens.size());
    if (static_cast<index>(tree.prompt.size() + longest) <= max_length) continue;
    std::string what = "prompt and longest answer have ";
    what += std::to_string(tree.prompt.size());
    what += " + ";
    what += std::to_string(longest);
    what += " tokens, more than ";
    what += std::to_string(max_length);
    out.push_back({"too_long", row.line(), std::move(what)});
  }
}

}  // namespace tilt
