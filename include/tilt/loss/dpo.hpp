// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tuple>

namespace tilt {

/// Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, eq. 7): −log σ(βΔ), where Δ is the chosen response's
/// log-ratio log π/π_ref less the rejected one's. With label smoothing ε (Mitchell 2023, "A note on DPO with noisy preferences",
/// cDPO): −(1 − ε) log σ(βΔ) − ε log σ(−βΔ). Slope −βσ(−βΔ) + εβ in log π(y⁺|x), and its negative in log π(y⁻|x).
struct dpo {
  double beta = 0.1;           ///< strength of the penalty that keeps π near π_ref, > 0
  double label_smoothing = 0;  ///< probability that a label is the wrong way round, in [0, ½)

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return detail::logistic(scaled(beta, y.margin()), label_smoothing);
  }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "sigmoid", formula = "−log σ(βΔ)", paper = "Rafailov et al. 2023, arXiv 2305.18290";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &dpo::beta}, loss_option{"label_smoothing", &dpo::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_smoothing(label_smoothing);
  }
};

static_assert(pair_loss<dpo> && described_loss<dpo>);

}  // namespace tilt
