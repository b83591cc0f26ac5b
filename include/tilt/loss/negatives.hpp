// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate_lists.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// DPO on the first two responses, and bad ones besides, the third and later: −log σ(β(u⁺ − u⁻)) − w·Σ_k log σ(−βu_k). Each bad response is
/// pushed below the reference with a slope wβσ(βu_k) that fades as it gets there (negative preference optimisation, Zhang et al. 2024, arXiv
/// 2404.05868, eq. 2, whose factor 2/β is in w): bounded below by 0.
struct dpo_negatives {
  double beta = 0.1;              ///< > 0
  double negative_weight = 0.01;  ///< w, ≥ 0

  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    const T b = constant<T>(beta);
    T loss = -log_sigmoid(b * (y[0].log_ratio() - y[1].log_ratio()));
    for (index k = 2; k < y.size(); ++k) loss = loss - constant<T>(negative_weight) * log_sigmoid(-(b * y[k].log_ratio()));
    return loss;
  }

  static constexpr std::string_view name = "dpo_negatives", formula = "−log σ(βΔ) − w Σ_k log σ(−βu_k)",
                                    paper = "Zhang et al. 2024, arXiv 2404.05868";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &dpo_negatives::beta}, loss_option{"negative_weight", &dpo_negatives::negative_weight});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("negative_weight", negative_weight);
  }
};

/// The naive form that popular articles show, the loss of good pairs less w times the loss of bad ones: −log σ(β(u⁺ − u⁻)) + w·Σ_k log σ(βu_k).
/// Unbounded below for any w > 0: as u_k → −∞ it falls like wβu_k with a slope of wβ that never fades, and training diverges. Here to be shown,
/// not to be used: take dpo_negatives.
struct dpo_negatives_naive {
  double beta = 0.1;              ///< > 0
  double negative_weight = 0.01;  ///< w, ≥ 0

  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    const T b = constant<T>(beta);
    T loss = -log_sigmoid(b * (y[0].log_ratio() - y[1].log_ratio()));
    for (index k = 2; k < y.size(); ++k) loss = loss + constant<T>(negative_weight) * log_sigmoid(b * y[k].log_ratio());
    return loss;
  }

  static constexpr std::string_view name = "dpo_negatives_naive", formula = "−log σ(βΔ) + w Σ_k log σ(βu_k), unbounded below",
                                    paper = "none: popular articles";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &dpo_negatives_naive::beta},
                      loss_option{"negative_weight", &dpo_negatives_naive::negative_weight});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("negative_weight", negative_weight);
  }
};

static_assert(list_loss<dpo_negatives> && described_loss<dpo_negatives> && list_loss<dpo_negatives_naive> &&
              described_loss<dpo_negatives_naive>);

}  // namespace tilt
