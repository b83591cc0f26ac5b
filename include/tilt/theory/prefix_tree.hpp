// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <span>
#include <tilt/tensor/packed_trees.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// Appends all answers to a prompt as one tree in which a beginning that several share stands once: with it, a pass gives the exact
/// log-probability of every answer of an enumerable world. Response r of the call has one target for each of its tokens, the last of
/// which is predicted but not laid down. Prompt and answers must not be empty. O(tokens · log tokens).
inline void append_prefix_tree(packed_trees& pack, std::span<const token> prompt, std::span<const std::vector<token>> answers) {
  const auto lay_down = [&pack](std::span<const token> tokens, int parent, index position) {
    pack.segments.push_back({pack.tokens(), static_cast<index>(tokens.size()), parent, position});
    pack.ids.insert(pack.ids.end(), tokens.begin(), tokens.end());
    return static_cast<int>(pack.segments.size()) - 1;
  };
  const int root = lay_down(prompt, -1, 0);
  std::map<std::pair<int, token>, int> children;
  for (const std::vector<token>& answer : answers) {
    int node = root;
    for (std::size_t t = 0; t < answer.size(); ++t) {
      const segment& at = pack.segments[static_cast<std::size_t>(node)];
      pack.targets.push_back({at.begin + at.length - 1, answer[t]});
      if (t + 1 == answer.size()) break;
      const index position = at.position + at.length;
      const auto [child, fresh] = children.try_emplace({node, answer[t]}, 0);
      if (fresh) child->second = lay_down({&answer[t], 1}, node, position);
      node = child->second;
    }
    pack.response_begin.push_back(static_cast<index>(pack.targets.size()));
  }
}

}  // namespace tilt
