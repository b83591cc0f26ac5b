// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/world.hpp>

namespace tilt {

/// The world of the claims, where they need no other: five answers to one prompt, of which the best is rare under the reference.
inline answer_set small_world() {
  answer_set world{{}, {1.0, 0.6, 0.1, -0.4, -1.0}};
  for (const double p : {0.048, 0.152, 0.3, 0.3, 0.2}) world.reference_logps.push_back(std::log(p));
  return world;
}

namespace detail {
/// `draws_a_pair` labels of every two answers, drawn from Bradley–Terry.
inline std::vector<preference> drawn_preferences(const answer_set& world, int draws_a_pair, const philox& draws) {
  std::vector<preference> data;
  std::uint64_t counter = 0;
  const double all = draws_a_pair * static_cast<double>(world.size() * (world.size() - 1)) / 2;
  for (std::size_t a = 0; a < world.size(); ++a)
    for (std::size_t b = a + 1; b < world.size(); ++b) {
      double wins = 0;
      for (int k = 0; k < draws_a_pair; ++k)
        wins += uniform(draws, counter++) < preference_probability(world.rewards[a], world.rewards[b]) ? 1 : 0;
      data.push_back({a, b, wins / all});
      data.push_back({b, a, (draws_a_pair - wins) / all});
    }
  return data;
}
}  // namespace detail

/// max − min of log π(y)/π_ref(y) over the answers: how far apart the implicit rewards are, in units of 1/β.
inline double log_ratio_spread(const answer_set& world, std::span<const double> theta) {
  double low = theta[0] - world.reference_logps[0], high = low;
  for (std::size_t y = 0; y < world.size(); ++y) {
    low = std::min(low, theta[y] - world.reference_logps[y]);
    high = std::max(high, theta[y] - world.reference_logps[y]);
  }
  return high - low;
}

}  // namespace tilt
