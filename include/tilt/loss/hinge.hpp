// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/relu.hpp>
#include <tuple>

namespace tilt {

/// Hinge loss on the margin of implicit rewards (Liu et al. 2023, arXiv 2309.06657, "hinge-norm"): max(0, 1 − βΔ), Δ as in dpo.
/// Slope ∓β while βΔ < 1, then 0.
struct hinge {
  double beta = 0.1;  ///< reciprocal of the Δ at which a pair counts as won, > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const { return relu(constant<T>(1) - constant<T>(beta) * y.margin()); }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "hinge", formula = "max(0, 1 − βΔ)", paper = "Liu et al. 2023, arXiv 2309.06657";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &hinge::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<hinge> && described_loss<hinge>);

}  // namespace tilt
