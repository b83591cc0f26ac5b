// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/options.hpp>
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// The coefficient of the KL penalty, constant.
struct fixed_kl_controller {
  double coefficient = 0.05;  ///< ≥ 0

  void update(double, index) {}
  void check() const { detail::require_weight("kl_coef", coefficient); }
};

/// The coefficient of the KL penalty, steered to a target (Ziegler et al. 2019, arXiv 1909.08593, §2.2, and its code): after n episodes
/// with mean KL(π‖π_ref) per sequence KL, β ← β·(1 + clip(KL/target − 1, ±0.2)·n/horizon). In log β a proportional controller; one
/// update moves β by a fifth of n/horizon at most. Its state is `coefficient` alone.
struct adaptive_kl_controller {
  double coefficient = 0.2;  ///< > 0, the first
  double target = 6;         ///< nats a sequence, > 0
  double horizon = 10000;    ///< episodes, > 0

  void update(double kl, index episodes) {
    const double error = kl / target - 1, clipped = error < -0.2 ? -0.2 : error > 0.2 ? 0.2 : error;
    if (clipped == clipped) coefficient *= 1 + clipped * static_cast<double>(episodes) / horizon;  // a KL that is not a number says nothing
  }
  void check() const {
    detail::require_positive("kl_coef", coefficient);
    detail::require_positive("target", target);
    detail::require_positive("horizon", horizon);
  }
};

}  // namespace tilt
