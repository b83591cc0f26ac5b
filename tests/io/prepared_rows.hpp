// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rows as TRL prepares them: ids of every prompt and response, what is dropped, in which order.
#include <tilt/io/tokenize.hpp>

#include "files.hpp"

namespace tilt::test {

using ids = std::vector<token>;

inline ids joined(ids a, const ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline ids cut(ids tokens, index most) {
  if (most > 0) tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(most)));
  return tokens;
}

/// `set` holds rows, max_length and, under "prepared", what TRL's trainer made of them before it cut them for a batch.
inline void check_prepared(const nlohmann::json& set, const text_encoder& encoder) {
  const auto path = scratch_folder("io_prepared_rows") / "rows.json";
  put(path, set["rows"].dump());
  const std::vector<example> examples = read_examples(path);
  const tokenize_options limits{.max_length = set["max_length"]};
  const auto& first = set["prepared"][0];
  const tokenized_examples mine = first.contains("chosen_ids") ? tokenize_pairs(examples, encoder, limits)
                                  : first.contains("label")    ? tokenize_labelled(examples, encoder, limits)
                                                               : tokenize_demonstrations(examples, encoder, limits);
  REQUIRE(mine.trees.size() == set["prepared"].size());
  const index rows = mine.report.examples;
  CHECK(mine.report.kept == static_cast<index>(mine.trees.size()));
  CHECK(rows - mine.report.kept == static_cast<index>(mine.report.prompt_fills_length.size()));
  for (std::size_t i = 0; i < mine.trees.size(); ++i) {
    INFO("row " << i << " of those that are kept");
    const auto& row = set["prepared"][i];
    const prompt_tree& tree = mine.trees[i];
    const auto is = [&](std::size_t response, const char* key) {
      CHECK(joined(tree.prompt, tree.responses[response].tokens) == cut(joined(row["prompt_ids"].get<ids>(), row[key].get<ids>()), limits.max_length));
    };
    if (row.contains("prompt_ids")) CHECK(tree.prompt == row["prompt_ids"].get<ids>());
    if (row.contains("chosen_ids")) {
      is(0, "chosen_ids");
      is(1, "rejected_ids");
    } else if (row.contains("completion_ids")) {
      is(0, "completion_ids");
      CHECK(tree.responses[0].desirable == row["label"].get<bool>());
    } else {
      CHECK(joined(tree.prompt, tree.responses[0].tokens) == cut(row["input_ids"].get<ids>(), limits.max_length));
      std::size_t unpredicted = 0;  // labels are -100 where a token is not predicted
      if (row.contains("labels"))
        while (row["labels"].size() > unpredicted && row["labels"][unpredicted] == -100) ++unpredicted;
      CHECK(tree.prompt.size() == std::max<std::size_t>(1, unpredicted));
    }
  }
}

}  // namespace tilt::test
