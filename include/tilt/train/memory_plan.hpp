// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <tilt/model/pass.hpp>

namespace tilt {

/// Bytes that a training will ask its backend for, known before it asks: the arenas are laid out for the largest micro-batches of the run
/// without being there. What the process holds beside them (the program, the data, the tokenizer) is not in it.
struct memory_plan {
  index parameters = 0;  ///< of the policy; they are there already
  index gradients = 0;
  index optimizer = 0;          ///< moments
  index reference_weights = 0;  ///< of an online reference, or of one that is another model; they are there too
  index reference = 0;          ///< online: its arena; cached: its log-probabilities
  pass_memory arena;            ///< of forward and backward
  index inference = 0;          ///< arena of passes without backward: of evaluations, and of losses that need a whole micro-batch first
  index checkpoint = 0;         ///< copies while one is written or read
  index scoring = 0;            ///< arena of the pass of a cached reference, which is gone before gradients, optimizer and arenas are there

  /// What is still to come, at the peak.
  index to_come() const { return reference + std::max(scoring, gradients + optimizer + arena.total() + inference + checkpoint); }
};

}  // namespace tilt
