// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tuple>

namespace tilt {

/// apo_zero on single responses (D'Oosterlinck et al. 2024, arXiv 2408.06266; TRL's KTO loss_type): σ(−βu) if desirable, σ(βu) if not. KTO
/// with z0 = 0 and weights of 1, so that no mismatched responses are needed.
struct apo_zero_unpaired {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const labelled_logps<T>& y) const {
    const T reward = constant<T>(beta) * y.response.log_ratio();
    return sigmoid(y.desirable ? -reward : reward);
  }

  static constexpr std::string_view name = "apo_zero_unpaired", formula = "σ(∓βu)", paper = "D'Oosterlinck et al. 2024, arXiv 2408.06266";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &apo_zero_unpaired::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(labelled_loss<apo_zero_unpaired> && described_loss<apo_zero_unpaired>);

}  // namespace tilt
