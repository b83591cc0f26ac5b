// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// DPO with an offset (Amini et al. 2024, arXiv 2402.10571, eq. 8): −log σ(βΔ − α·f(s⁺ − s⁻)), s the scores of a judge: the margin that
/// a pair is to have grows with the difference. f is the logarithm, as in the paper's experiments, or the identity. A pair whose chosen
/// response scores no higher has no logarithm and asks for nothing: its loss and slope are 0.
struct odpo {
  double beta = 0.1;      ///< > 0
  double odpo_alpha = 1;  ///< α, ≥ 0; 0 is DPO
  bool odpo_log = true;   ///< f = log, else the identity

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    using std::log;
    const T difference = y.chosen.score - y.rejected.score, zero = constant<T>(0), m = constant<T>(beta) * y.margin();
    if (!odpo_log) return -log_sigmoid(m - constant<T>(odpo_alpha) * difference);
    const T usable = select(difference > zero, difference, constant<T>(1));
    return select(difference > zero, -log_sigmoid(m - constant<T>(odpo_alpha) * log(usable)), zero);
  }
  bool uses_scores() const { return true; }

  static constexpr std::string_view name = "odpo", formula = "−log σ(βΔ − α log(s⁺ − s⁻))", paper = "Amini et al. 2024, arXiv 2402.10571";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &odpo::beta}, loss_option{"odpo_alpha", &odpo::odpo_alpha},
                      loss_option{"odpo_log", &odpo::odpo_log});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("odpo_alpha", odpo_alpha);
  }
};

static_assert(pair_loss<odpo> && described_loss<odpo>);

}  // namespace tilt
