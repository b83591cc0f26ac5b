// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Length-regularised DPO (Park et al. 2024, arXiv 2403.19159): −log σ(βΔ + α(n⁺ − n⁻)), n the lengths in tokens. It is DPO for the objective
/// E[r − α·n] − β·KL, whose optimum has r = β log π/π_ref + α·n + const, which Bradley–Terry takes: hence the plus. A long chosen response has
/// part of its margin explained by its length, and pulls less.
struct rdpo {
  double beta = 0.1;         ///< > 0
  double rdpo_alpha = 0.01;  ///< α, the price of a token, ≥ 0; 0 is DPO

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return -log_sigmoid(constant<T>(beta) * y.margin() + constant<T>(rdpo_alpha) * (y.chosen.length() - y.rejected.length()));
  }
  bool uses_lengths() const { return true; }

  static constexpr std::string_view name = "rdpo", formula = "−log σ(βΔ + α(n⁺ − n⁻))", paper = "Park et al. 2024, arXiv 2403.19159";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &rdpo::beta}, loss_option{"rdpo_alpha", &rdpo::rdpo_alpha}); }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("rdpo_alpha", rdpo_alpha);
  }
};

static_assert(pair_loss<rdpo> && described_loss<rdpo>);

}  // namespace tilt
