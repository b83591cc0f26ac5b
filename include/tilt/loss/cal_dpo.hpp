// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/square.hpp>
#include <tuple>

namespace tilt {

/// Calibrated DPO (Xiao et al. 2024, arXiv 2412.14516, algorithm 1): −log σ(Δ) + (u⁺ − 1/(2β))² + (u⁻ + 1/(2β))². The squares give the
/// log-ratios a scale, which DPO's differences leave open; β is in their targets alone.
struct cal_dpo {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T target = constant<T>(0.5) / constant<T>(beta);
    return square(y.chosen.log_ratio() - target) + square(y.rejected.log_ratio() + target) - log_sigmoid(y.margin());
  }

  static constexpr std::string_view name = "cal_dpo", formula = "−log σ(Δ) + (u⁺ − 1/(2β))² + (u⁻ + 1/(2β))²",
                                    paper = "Xiao et al. 2024, arXiv 2412.14516";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &cal_dpo::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<cal_dpo> && described_loss<cal_dpo>);

}  // namespace tilt
