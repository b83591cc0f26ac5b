// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Anchored preference optimisation (D'Oosterlinck et al. 2024, arXiv 2408.06266, eq. 4), for chosen responses that are better than what the
/// policy writes: σ(−βu⁺) + σ(βu⁻). Slopes −βσ(βu⁺)σ(−βu⁺) and βσ(βu⁻)σ(−βu⁻): the chosen response becomes likelier than under the reference
/// and the rejected one less likely, each anchored at u = 0, where the slopes are steepest.
struct apo_zero {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return sigmoid(-(constant<T>(beta) * y.chosen.log_ratio())) + sigmoid(constant<T>(beta) * y.rejected.log_ratio());
  }

  static constexpr std::string_view name = "apo_zero", formula = "σ(−βu⁺) + σ(βu⁻)", paper = "D'Oosterlinck et al. 2024, arXiv 2408.06266";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &apo_zero::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

/// The same for chosen responses that are worse than what the policy writes (eq. 5): σ(βu⁺) + σ(−βΔ). It makes the chosen response less
/// likely, and the rejected one still less.
struct apo_down {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return sigmoid(constant<T>(beta) * y.chosen.log_ratio()) + sigmoid(-(constant<T>(beta) * y.margin()));
  }

  static constexpr std::string_view name = "apo_down", formula = "σ(βu⁺) + σ(−βΔ)", paper = "D'Oosterlinck et al. 2024, arXiv 2408.06266";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &apo_down::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<apo_zero> && described_loss<apo_zero> && pair_loss<apo_down> && described_loss<apo_down>);

}  // namespace tilt
