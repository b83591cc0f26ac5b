// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <span>
#include <tilt/scalar/config.hpp>
#include <vector>

namespace tilt {

/// A completion of a prompt: its tokens, the end-of-text token included where there is one.
struct response {
  std::vector<token> tokens = {};
  bool desirable = true;            ///< read by losses over single labelled responses (KTO)
  std::vector<token> uncut = {};    ///< where a limit of length has cut `tokens`, what they were; read by KTO's mismatched pairs alone
  double weight = 1;                ///< in losses over single responses
  std::optional<double> score = {};  ///< of a judge or a reward model, read by losses that use it (ODPO, LiPO)
};

/// "`chosen` is preferred to `rejected`", both indices into a tree's responses.
struct edge {
  int chosen = 0, rejected = 1;
  double weight = 1;
  double win_probability = 1;  ///< of the preference being right, read by losses that take soft labels (SPPO)
  double margin = 0;           ///< by how much the chosen is to be ahead, read by reward models
};

/// The unit of a batch: a prompt, its responses, and the preferences among them. A pair has two responses and one edge; a labelled
/// response and a demonstration have one response and no edge. A ranking is the order of the responses, the best first.
struct prompt_tree {
  std::vector<token> prompt = {};
  std::vector<response> responses = {};
  std::vector<edge> edges = {};
  index line = 0;  ///< where it stands in its file, from 1; 0: nowhere
};

/// A text all of whose tokens but the first are predicted: a prompt of one token and its continuation. Needs two tokens or more.
inline prompt_tree text_sequence(std::span<const token> tokens, index line = 0) {
  prompt_tree tree;
  tree.line = line;
  if (!tokens.empty()) {
    tree.prompt.assign(tokens.begin(), tokens.begin() + 1);
    tree.responses.push_back({{tokens.begin() + 1, tokens.end()}});
  }
  return tree;
}

}  // namespace tilt
