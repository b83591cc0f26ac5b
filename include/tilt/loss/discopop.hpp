// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tuple>

namespace tilt {

/// DiscoPOP, the log-ratio modulated loss that a search found (Lu et al. 2024, arXiv 2406.08414): with x = βΔ and m = σ(x/τ), a mixture
/// −(1 − m) log σ(x) + m·e^−x of the logistic and the exponential loss. m·e^−x is computed as exp(log σ(x/τ) − x), so that neither factor
/// overflows where τ ≤ 1. Not convex: at τ = 0.05 there
/// is a minimum at x = −0.12 and a maximum at x = 0.07; between them, so also where policy = reference, the slope lowers the margin.
struct discopop {
  double beta = 0.1;           ///< > 0
  double discopop_tau = 0.05;  ///< τ, temperature of the modulation, > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    using std::exp;
    const T x = constant<T>(beta) * y.margin(), scaled = x / constant<T>(discopop_tau);
    return exp(log_sigmoid(scaled) - x) - sigmoid(-scaled) * log_sigmoid(x);
  }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "discopop", formula = "−(1 − m) log σ(βΔ) + m·exp(−βΔ), m = σ(βΔ/τ)",
                                    paper = "Lu et al. 2024, arXiv 2406.08414";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &discopop::beta}, loss_option{"discopop_tau", &discopop::discopop_tau});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_positive("discopop_tau", discopop_tau);
  }
};

static_assert(pair_loss<discopop> && described_loss<discopop>);

}  // namespace tilt
