// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Noise contrastive alignment for pairs (Chen et al. 2024, arXiv 2402.05369, eq. 14): −log σ(βu⁺) − ½ log σ(−βu⁺) − ½ log σ(−βu⁻), u the
/// log-ratios. It looks at each response by itself: slope −βσ(−βu⁺) + ½βσ(βu⁺) in log π(y⁺|x), 0 at βu⁺ = log 2, so the chosen response
/// cannot become less likely; ½βσ(βu⁻) in log π(y⁻|x).
struct nca_pair {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T chosen = constant<T>(beta) * y.chosen.log_ratio(), rejected = constant<T>(beta) * y.rejected.log_ratio();
    return -log_sigmoid(chosen) - constant<T>(0.5) * (log_sigmoid(-chosen) + log_sigmoid(-rejected));
  }

  static constexpr std::string_view name = "nca_pair", formula = "−log σ(βu⁺) − ½ log σ(−βu⁺) − ½ log σ(−βu⁻)",
                                    paper = "Chen et al. 2024, arXiv 2402.05369";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &nca_pair::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<nca_pair> && described_loss<nca_pair>);

}  // namespace tilt
