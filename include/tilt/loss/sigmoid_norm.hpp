// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tuple>

namespace tilt {

/// DPO on log-ratios a token (Tulu 3, Lambert et al. 2024, arXiv 2411.15124, eq. 6): −log σ(β(u⁺/n⁺ − u⁻/n⁻)). A long response pulls
/// no harder than a short one; β is to be larger by about the usual length (Tulu 3: 5).
struct sigmoid_norm {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return -log_sigmoid(constant<T>(beta) * (y.chosen.mean_log_ratio() - y.rejected.mean_log_ratio()));
  }
  bool uses_lengths() const { return true; }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "sigmoid_norm", formula = "−log σ(β(u⁺/n⁺ − u⁻/n⁻))",
                                    paper = "Lambert et al. 2024, arXiv 2411.15124";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &sigmoid_norm::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<sigmoid_norm> && described_loss<sigmoid_norm>);

}  // namespace tilt
