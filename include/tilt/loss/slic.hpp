// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/relu.hpp>
#include <tuple>

namespace tilt {

/// Sequence likelihood calibration (Zhao et al. 2023, arXiv 2305.10425, eq. 1): max(0, δ − log π(y⁺|x) + log π(y⁻|x)) − λ log π(y⁺|x). No
/// reference model: the second term, a likelihood of the chosen response (the paper's y_ref), stands in for it.
struct slic {
  double slic_delta = 1;     ///< δ, nats by which a pair has to be won, > 0
  double slic_lambda = 0.1;  ///< λ, ≥ 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return relu(constant<T>(slic_delta) - (y.chosen.policy - y.rejected.policy)) - constant<T>(slic_lambda) * y.chosen.policy;
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return y.policy; }
  static constexpr bool reference_free = true, whole_responses = true;

  static constexpr std::string_view name = "slic", formula = "max(0, δ − (ℓ⁺ − ℓ⁻)) − λℓ⁺", paper = "Zhao et al. 2023, arXiv 2305.10425";
  static constexpr auto options() {
    return std::tuple(loss_option{"slic_delta", &slic::slic_delta}, loss_option{"slic_lambda", &slic::slic_lambda});
  }
  void check() const {
    detail::require_positive("slic_delta", slic_delta);
    detail::require_weight("slic_lambda", slic_lambda);
  }
};

static_assert(pair_loss<slic> && described_loss<slic>);

}  // namespace tilt
