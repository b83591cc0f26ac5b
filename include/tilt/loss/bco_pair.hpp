// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Binary classifier optimisation of pairs (Jung et al. 2024, arXiv 2404.04656, eq. 6, with the shift δ = 0, as TRL has it):
/// −log σ(βu⁺) − log σ(−βu⁻), an upper bound of DPO's loss up to an additive error. Slopes −βσ(−βu⁺) and βσ(βu⁻). The form with a running
/// mean δ, on single responses, is bco.
struct bco_pair {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return -log_sigmoid(constant<T>(beta) * y.chosen.log_ratio()) - log_sigmoid(-(constant<T>(beta) * y.rejected.log_ratio()));
  }

  static constexpr std::string_view name = "bco_pair", formula = "−log σ(βu⁺) − log σ(−βu⁻)", paper = "Jung et al. 2024, arXiv 2404.04656";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &bco_pair::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<bco_pair> && described_loss<bco_pair>);

}  // namespace tilt
