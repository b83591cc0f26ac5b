// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tuple>

namespace tilt {

/// Robust DPO (Chowdhury et al. 2024, arXiv 2403.00409, eq. 12): [−(1 − ε) log σ(βΔ) + ε log σ(−βΔ)] / (1 − 2ε), whose mean over labels
/// that are flipped with probability ε is DPO's loss on the true ones. Slope −β(σ(−βΔ) + ε/(1 − 2ε)) in log π(y⁺|x): it does not vanish on
/// won pairs, and the loss is unbounded below there, as a single label cannot tell that it is true.
struct robust_dpo {
  double beta = 0.1;           ///< > 0
  double label_smoothing = 0;  ///< ε, the share of flipped labels, in [0, ½)

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T m = constant<T>(beta) * y.margin();
    if (label_smoothing == 0) return -log_sigmoid(m);
    const T flipped = constant<T>(label_smoothing), one = constant<T>(1);
    return (flipped * log_sigmoid(-m) - (one - flipped) * log_sigmoid(m)) / (one - flipped - flipped);
  }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "robust", formula = "[−(1 − ε) log σ(βΔ) + ε log σ(−βΔ)]/(1 − 2ε)",
                                    paper = "Chowdhury et al. 2024, arXiv 2403.00409";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &robust_dpo::beta}, loss_option{"label_smoothing", &robust_dpo::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_smoothing(label_smoothing);
  }
};

static_assert(pair_loss<robust_dpo> && described_loss<robust_dpo>);

}  // namespace tilt
