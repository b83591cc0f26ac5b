// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <limits>
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/sigmoid.hpp>

namespace tilt {

/// x held to [low, high]; slope 1 inside and on the ends, 0 outside.
template <class T> TILT_HD T clamp(const T& x, const T& low, const T& high) { return select(x < low, low, select(x > high, high, x)); }

/// PPO's clipped surrogate as a loss (Schulman et al. 2017, arXiv 1707.06347, eq. 7): −min(ρA, clip(ρ, 1 − ε_low, 1 + ε_high)·A), with
/// ρ = π/π_old. Once ρ has left the range on the side that A pushes to, the slope is 0. `delta` also bounds ρ in the first term, for
/// A < 0 (two-sided clipping, INTELLECT-2 2025, arXiv 2505.07291); infinite: not.
template <class T>
TILT_HD T clipped_surrogate(const T& ratio, double advantage, double epsilon_low, double epsilon_high,
                            double delta = std::numeric_limits<double>::infinity()) {
  const T a = constant<T>(advantage), bound = constant<T>(delta);
  const T plain = select(ratio > bound, bound, ratio) * a;
  const T clipped = clamp(ratio, constant<T>(1) - constant<T>(epsilon_low), constant<T>(1) + constant<T>(epsilon_high)) * a;
  return -min(plain, clipped);
}

/// CISPO (MiniMax-M1 2025, arXiv 2506.13585, eq. 4): −sg(min(ρ, ε_high))·A·log π. The weight is clipped, not the token: every token keeps
/// a slope. As in TRL, ε_high is the bound itself and not an excess over 1.
template <class T> TILT_HD T cispo_surrogate(const T& logp, const T& ratio, double advantage, double epsilon_high) {
  const T bound = constant<T>(epsilon_high);
  return -detach(select(ratio > bound, bound, ratio)) * constant<T>(advantage) * logp;
}

/// SAPO (Gao et al. 2025, arXiv 2511.20347): −(4/τ)·σ(τ(ρ − 1))·A, a smooth gate whose slope in ρ is −A at ρ = 1 and fades on both sides.
/// τ is one number for A > 0 and another for the rest.
template <class T> TILT_HD T sapo_surrogate(const T& ratio, double advantage, double temperature_pos, double temperature_neg) {
  const double tau = advantage > 0 ? temperature_pos : temperature_neg;
  return -constant<T>(4) / constant<T>(tau) * sigmoid(constant<T>(tau) * (ratio - constant<T>(1))) * constant<T>(advantage);
}

/// VESPO's weight of a sequence (2026, arXiv 2602.10693): φ(w) = exp(λ + k·log w − λw), of the ratio w of whole sequences, with φ(1) = 1 and its
/// largest value at w = k/λ. A constant in the gradient. log w is held to [log 1e-8, 20].
inline double gamma_weight(double sequence_log_ratio, double k, double lambda) {
  const double log_w = clamp(sequence_log_ratio, std::log(1e-8), 20.0), rate = lambda < 1e-4 ? 1e-4 : lambda;
  return std::exp(rate + k * log_w - rate * std::exp(log_w));
}

/// PPO's clipped value loss of one token (Schulman et al. 2017's code; Stiennon et al. 2020, arXiv 2009.01325):
/// ½·max((v − R)², (v_old + clip(v − v_old, ±c) − R)²). The larger, so that a value far from its old one is pulled back only.
template <class T> TILT_HD T clipped_value_loss(const T& value, const T& old_value, const T& target, double cliprange) {
  const T reach = constant<T>(cliprange);
  const T plain = value - target, clipped = clamp(value, old_value - reach, old_value + reach) - target;
  return constant<T>(0.5) * max(plain * plain, clipped * clipped);
}

}  // namespace tilt
