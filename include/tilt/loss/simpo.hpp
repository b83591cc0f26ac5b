// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/logistic.hpp>
#include <tuple>

namespace tilt {

/// Simple preference optimisation (Meng et al. 2024, arXiv 2405.14734, eq. 6): −log σ(β(ℓ⁺/n⁺ − ℓ⁻/n⁻) − γ), ℓ the log-probabilities, n the
/// lengths. No reference; the reward is the mean log-probability of a token, which is also what decoding goes by, and γ is the
/// margin by which a pair has to be won. Defaults are its authors' (TRL's CPOConfig has β = 0.1).
struct simpo {
  double beta = 2;             ///< > 0
  double simpo_gamma = 0.5;    ///< γ, ≥ 0
  double label_smoothing = 0;  ///< in [0, ½)

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return detail::logistic(reward(y.chosen) - reward(y.rejected) - constant<T>(simpo_gamma), label_smoothing);
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return constant<T>(beta) * y.mean_logp(); }
  bool uses_lengths() const { return true; }
  static constexpr bool reference_free = true;

  static constexpr std::string_view name = "simpo", formula = "−log σ(β(ℓ⁺/n⁺ − ℓ⁻/n⁻) − γ)", paper = "Meng et al. 2024, arXiv 2405.14734";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &simpo::beta}, loss_option{"simpo_gamma", &simpo::simpo_gamma},
                      loss_option{"label_smoothing", &simpo::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("simpo_gamma", simpo_gamma);
    detail::require_smoothing(label_smoothing);
  }
};

/// AlphaPO (Gupta et al. 2025, arXiv 2501.03884, eq. 6): SimPO with the reward (1 − p^−α)/α, p = exp(ℓ/n), in place of ℓ/n, its limit at α = 0.
/// For α > 0 unlikely responses cost more than in proportion: the reward overflows where α·ℓ/n is below −709 (float: −88).
struct alphapo {
  double beta = 2;             ///< > 0
  double simpo_gamma = 0.5;    ///< γ, ≥ 0
  double alpha = 0.25;         ///< not 0
  double label_smoothing = 0;  ///< in [0, ½)

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    return detail::logistic(reward(y.chosen) - reward(y.rejected) - constant<T>(simpo_gamma), label_smoothing);
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const {
    using std::expm1;
    return -(constant<T>(beta) * expm1(-(constant<T>(alpha) * y.mean_logp())) / constant<T>(alpha));
  }
  bool uses_lengths() const { return true; }
  static constexpr bool reference_free = true;

  static constexpr std::string_view name = "alphapo", formula = "−log σ(β(r⁺ − r⁻) − γ), r = (1 − exp(−αℓ/n))/α",
                                    paper = "Gupta et al. 2025, arXiv 2501.03884";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &alphapo::beta}, loss_option{"simpo_gamma", &alphapo::simpo_gamma},
                      loss_option{"alpha", &alphapo::alpha}, loss_option{"label_smoothing", &alphapo::label_smoothing});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("simpo_gamma", simpo_gamma);
    detail::require_usable(alpha != 0 && alpha - alpha == 0, "alpha", alpha,
                           "give a number other than 0, or take simpo, which is its limit at 0");
    detail::require_smoothing(label_smoothing);
  }
};

static_assert(pair_loss<simpo> && described_loss<simpo> && pair_loss<alphapo> && described_loss<alphapo>);

}  // namespace tilt
