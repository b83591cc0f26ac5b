// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/likelihood.hpp>
#include <tilt/loss/logistic.hpp>
#include <tuple>

namespace tilt {

/// Contrastive preference optimisation (Xu et al. 2024, arXiv 2401.08417, eq. 5): DPO with a uniform reference, −log σ(β(log π(y⁺|x) −
/// log π(y⁻|x))), and cpo_alpha times the negative log-likelihood of the chosen tokens, a mean over the batch's, as in TRL. With
/// cpo_alpha = 0 it is DPO without a reference.
struct cpo {
  double beta = 0.1;           ///< > 0
  double label_smoothing = 0;  ///< in [0, ½)
  double cpo_alpha = 1;        ///< ≥ 0

  using statistic = mean_chosen_length;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, double length) const {
    const T preference = detail::logistic(constant<T>(beta) * (y.chosen.policy - y.rejected.policy), label_smoothing);
    return cpo_alpha == 0 ? preference : preference - constant<T>(cpo_alpha) * y.chosen.policy / constant<T>(length);
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return constant<T>(beta) * y.policy; }
  bool uses_lengths() const { return cpo_alpha != 0; }
  static constexpr bool reference_free = true, whole_responses = true;

  static constexpr std::string_view name = "cpo", formula = "−log σ(β(ℓ⁺ − ℓ⁻)) − α Σ ℓ⁺/Σ n⁺", paper = "Xu et al. 2024, arXiv 2401.08417";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &cpo::beta}, loss_option{"label_smoothing", &cpo::label_smoothing},
                      loss_option{"cpo_alpha", &cpo::cpo_alpha});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_smoothing(label_smoothing);
    detail::require_weight("cpo_alpha", cpo_alpha);
  }
};

static_assert(pair_loss<cpo> && described_loss<cpo>);

}  // namespace tilt
