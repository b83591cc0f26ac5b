// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tilt/scalar/relu.hpp>
#include <tuple>

namespace tilt {

/// DPO-Positive (Pal et al. 2024, arXiv 2402.13228, eq. 3): −log σ(β(Δ − λ·max(0, −u⁺))), u⁺ the chosen response's log-ratio. As long as the
/// chosen response is less likely than under the reference its slope is −(1 + λ)βσ(−·) and not −βσ(−·), so that both responses cannot fall
/// together, which DPO allows.
struct dpo_positive {
  double beta = 0.1;        ///< > 0
  double dpop_lambda = 50;  ///< λ, ≥ 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return -log_sigmoid(constant<T>(beta) * (y.margin() - constant<T>(dpop_lambda) * relu(-y.chosen.log_ratio())));
  }

  static constexpr std::string_view name = "dpop", formula = "−log σ(β(Δ − λ max(0, −u⁺)))", paper = "Pal et al. 2024, arXiv 2402.13228";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &dpo_positive::beta}, loss_option{"dpop_lambda", &dpo_positive::dpop_lambda});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("dpop_lambda", dpop_lambda);
  }
};

static_assert(pair_loss<dpo_positive> && described_loss<dpo_positive>);

}  // namespace tilt
