// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/config.hpp>
#include <vector>

namespace tilt {

/// A run of tokens whose prefix is its parent's path: a prompt is a root, each of its responses a child.
struct segment {
  index begin = 0;     ///< first token, an index into packed_trees::ids
  index length = 0;    ///< number of tokens
  int parent = -1;     ///< an earlier segment, or -1 for a root
  index position = 0;  ///< of the first token, counted from the root
};

/// The hidden state of packed token `source` predicts `label`.
struct target {
  index source = 0;
  token label = 0;
};

/// Prompt trees laid end to end: no padding, every prompt once. What a forward pass eats (host memory).
/// Parents come before children, and the segments of one tree are contiguous. Response r owns the targets
/// [response_begin[r], response_begin[r+1]), in the order of its tokens.
struct packed_trees {
  std::vector<token> ids;
  std::vector<segment> segments;
  std::vector<target> targets;
  std::vector<index> response_begin{0};

  index tokens() const { return static_cast<index>(ids.size()); }
  index responses() const { return static_cast<index>(response_begin.size()) - 1; }

  void clear() {
    ids.clear();
    segments.clear();
    targets.clear();
    response_begin.assign(1, 0);
  }
};

}  // namespace tilt
