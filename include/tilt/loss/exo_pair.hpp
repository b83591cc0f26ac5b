// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Efficient exact optimisation for pairs (Ji et al. 2024, arXiv 2402.00856, eq. 16): the reverse KL divergence from (q, 1 − q) with
/// q = σ(βΔ) to the smoothed label (1 − ε, ε): q·log(q/(1 − ε)) + (1 − q)·log((1 − q)/ε). Slope βq(1 − q)(βΔ − log((1 − ε)/ε)): 0 at
/// q = 1 − ε, and near 0 on pairs that are lost by far.
struct exo_pair {
  double beta = 0.1;              ///< > 0
  double label_smoothing = 1e-3;  ///< ε, in (0, ½); the paper's choice (TRL's default of 0 is one that TRL itself refuses)

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    using std::log;
    const T m = constant<T>(beta) * y.margin(), flipped = constant<T>(label_smoothing);
    return sigmoid(m) * (log_sigmoid(m) - log(constant<T>(1) - flipped)) + sigmoid(-m) * (log_sigmoid(-m) - log(flipped));
  }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "exo_pair", formula = "KL((q, 1 − q) ‖ (1 − ε, ε)), q = σ(βΔ)",
                                    paper = "Ji et al. 2024, arXiv 2402.00856";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &exo_pair::beta}, loss_option{"label_smoothing", &exo_pair::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_smoothing(label_smoothing);
    detail::require_usable(label_smoothing > 0, "label_smoothing", label_smoothing,
                           "exo_pair needs more than 0, since it takes its logarithm; give 0.001");
  }
};

static_assert(pair_loss<exo_pair> && described_loss<exo_pair>);

}  // namespace tilt
