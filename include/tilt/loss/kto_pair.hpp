// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tuple>

namespace tilt {

/// Reference points of paired KTO: the means of the chosen and of the rejected log-ratios over the batch, not below 0.
struct paired_reference_points {
  struct values {
    double chosen, rejected;
  };
  double chosen = 0, rejected = 0, pairs = 0;

  void begin() { chosen = rejected = pairs = 0; }
  template <class T> void add(const pair_logps<T>& y) {
    chosen += static_cast<double>(y.chosen.log_ratio());
    rejected += static_cast<double>(y.rejected.log_ratio());
    ++pairs;
  }
  values value() const { return {chosen <= 0 ? 0 : chosen / pairs, rejected <= 0 ? 0 : rejected / pairs}; }
};

/// KTO on pairs, as popular articles and TRL before 0.9 ("kto_pair") have it: ½(1 − σ(β(u⁺ − z⁻))) + ½(1 − σ(β(z⁺ − u⁻))), each side's
/// reference point z the mean log-ratio of the other side of the batch. It has KTO's bounded slopes, but z is a mean over responses that were
/// judged, not an estimate of KL(π‖π_ref): take kto where that matters. No slope goes through z.
struct kto_pair {
  double beta = 0.1;  ///< > 0

  using statistic = paired_reference_points;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, const paired_reference_points::values& z) const {
    const T b = constant<T>(beta);
    return constant<T>(0.5) *
           (sigmoid(b * (constant<T>(z.rejected) - y.chosen.log_ratio())) + sigmoid(b * (y.rejected.log_ratio() - constant<T>(z.chosen))));
  }

  static constexpr std::string_view name = "kto_pair", formula = "½σ(β(z⁻ − u⁺)) + ½σ(β(u⁻ − z⁺))",
                                    paper = "Ethayarajh et al. 2024, arXiv 2402.01306v1";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &kto_pair::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<kto_pair> && described_loss<kto_pair>);

}  // namespace tilt
