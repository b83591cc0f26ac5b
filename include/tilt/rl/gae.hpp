// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <tilt/error.hpp>
#include <tilt/scalar/config.hpp>

namespace tilt {

/// Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, eq. 16) of one episode: with δ_t = r_t + γV_{t+1} − V_t,
/// A_t = δ_t + γλA_{t+1}. `after` is the value behind the last token, 0 where the text has ended. λ = 1 is return less value, λ = 0 is δ.
/// All [n]; advantages may be the rewards' memory. O(n). Throws `error` if sizes differ.
template <class T>
void generalized_advantages(std::span<const T> rewards, std::span<const T> values, double gamma, double lambda, std::span<T> advantages,
                            T after = 0) {
  if (rewards.size() != values.size() || rewards.size() != advantages.size())
    throw error("gae: rewards, values and advantages have one element for each token");
  const T discount = static_cast<T>(gamma), decay = static_cast<T>(gamma * lambda);
  T next_value = after, advantage = 0;
  for (std::size_t t = rewards.size(); t-- > 0;) {
    advantage = rewards[t] + discount * next_value - values[t] + decay * advantage;
    advantages[t] = advantage;
    next_value = values[t];
  }
}

/// What the value function is taught: R_t = A_t + V_t, the TD(λ) return. returns may be the advantages' memory.
template <class T> void value_targets(std::span<const T> advantages, std::span<const T> values, std::span<T> returns) {
  if (advantages.size() != values.size() || advantages.size() != returns.size())
    throw error("gae: advantages, values and returns have one element for each token");
  for (std::size_t t = 0; t < returns.size(); ++t) returns[t] = advantages[t] + values[t];
}

}  // namespace tilt
