// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>
#include <vector>

#include "demo_measure.hpp"
#include "frontier_files.hpp"

namespace tilt::program {

/// All that a comparison has found.
struct frontier_outcome {
  frontier_result reference;
  std::vector<std::pair<frontier_cell, frontier_result>> cells;
  std::vector<judge_result> judges;                  ///< of the seeds
  double reference_reward = 0;                       ///< exact where all texts can be enumerated, otherwise of the rivals' pool
  bool exact = false;                                ///< whether what follows is computed, and not estimated from that pool
  std::vector<std::pair<double, optimum>> frontier;  ///< π_ref·exp(r/β)/Z for falling β, as far as it is known
  std::vector<std::pair<double, optimum>> aims;      ///< where DPO, and PPO with the true reward, would end: at each of DPO's strengths
};

}  // namespace tilt::program
