// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/likelihood.hpp>
#include <tilt/scalar/log1mexp.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Odds ratio preference optimisation (Hong et al. 2024, arXiv 2403.07691, eq. 6): −log π(y⁺|x) + β·(−log σ(log odds(y⁺) − log odds(y⁻))),
/// odds = p/(1 − p) with p = exp(ℓ/n), the geometric mean probability of a token. The likelihood is a mean over the batch's chosen tokens (TRL
/// takes those of the prompts into it as well); with nll_weight = 0 the odds ratio is alone. log(1 − p) is log1mexp, with p held 10⁻³⁰
/// away from 1, where TRL has NaN.
struct orpo {
  double beta = 0.1;      ///< λ in the paper, > 0
  double nll_weight = 1;  ///< ≥ 0

  using statistic = mean_chosen_length;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, double length) const {
    const T odds = -(constant<T>(beta) * log_sigmoid(log_odds(y.chosen) - log_odds(y.rejected)));
    return nll_weight == 0 ? odds : odds - constant<T>(nll_weight) * y.chosen.policy / constant<T>(length);
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return constant<T>(beta) * y.mean_logp(); }
  bool uses_lengths() const { return true; }
  static constexpr bool reference_free = true, whole_responses = true;

  static constexpr std::string_view name = "orpo", formula = "−Σ ℓ⁺/Σ n⁺ − β log σ(log odds(y⁺) − log odds(y⁻))",
                                    paper = "Hong et al. 2024, arXiv 2403.07691";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &orpo::beta}, loss_option{"nll_weight", &orpo::nll_weight}); }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("nll_weight", nll_weight);
  }

 private:
  template <class T> TILT_HD T log_odds(const response_logps<T>& y) const {
    const T logp = min(y.mean_logp(), constant<T>(-1e-30));
    return logp - log1mexp(logp);
  }
};

static_assert(pair_loss<orpo> && described_loss<orpo>);

}  // namespace tilt
