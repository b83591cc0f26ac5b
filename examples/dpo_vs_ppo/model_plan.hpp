// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "../tilt/frontier_plan.hpp"

namespace tilt::program {

/// Sizes at which the comparison on a given model takes minutes.
frontier_sizes model_sizes();

/// The methods that are compared on a given model, a selection of the world's.
std::vector<frontier_method> model_methods();

inline constexpr double reward_of_word = 0.5;  ///< true reward of a word
inline constexpr double least_variety = 0.9;   ///< distinct-2 of a sound answer, at least

}  // namespace tilt::program
