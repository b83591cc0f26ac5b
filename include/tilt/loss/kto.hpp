// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tuple>

namespace tilt {

/// KTO's reference point, z0 = max(0, mean of log π(y'|x)/π_ref(y'|x)) over responses y' that were given to other prompts: a cheap
/// stand-in for KL(π‖π_ref). Any number of them; sums of parts add up to the whole's.
struct kto_reference_point {
  double sum = 0;
  index count = 0;

  template <class T> void add(const response_logps<T>& mismatched) {
    sum += static_cast<double>(mismatched.log_ratio());
    ++count;
  }
  double value() const { return sum <= 0 ? 0 : sum / static_cast<double>(count); }  // a NaN stays one
};

/// Kahneman–Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306, §4), of single responses that were called good or
/// bad: λ_D·(1 − σ(β(r − z0))) if good, λ_U·(1 − σ(β(z0 − r))) if bad, with r = log π(y|x)/π_ref(y|x). z0 is a constant: nothing is
/// differentiated through it. The value is σ, not log σ, so a hopeless label has a slope near 0.
struct kto {
  double beta = 0.1;
  double desirable_weight = 1;    ///< λ_D, ≥ 0
  double undesirable_weight = 1;  ///< λ_U, ≥ 0

  using statistic = kto_reference_point;

  template <class T> TILT_HD T operator()(const labelled_logps<T>& y, double z0) const {
    const T gain = constant<T>(beta) * (y.response.log_ratio() - constant<T>(z0));
    return y.desirable ? constant<T>(desirable_weight) * sigmoid(-gain) : constant<T>(undesirable_weight) * sigmoid(gain);
  }

  static constexpr std::string_view name = "kto", formula = "λ_D σ(β(z0 − u)) or λ_U σ(β(u − z0))",
                                    paper = "Ethayarajh et al. 2024, arXiv 2402.01306";
  static constexpr auto options() {
    return std::tuple(loss_option{"beta", &kto::beta}, loss_option{"desirable_weight", &kto::desirable_weight},
                      loss_option{"undesirable_weight", &kto::undesirable_weight});
  }
  void check() const {
    detail::require_positive("beta", beta);
    detail::require_weight("desirable_weight", desirable_weight);
    detail::require_weight("undesirable_weight", undesirable_weight);
    if (desirable_weight == 0 && undesirable_weight == 0)
      detail::refuse("desirable_weight", "it and undesirable_weight are both 0, which leaves nothing to learn",
                     "give one of them a positive number");
  }
};

static_assert(labelled_loss<kto> && described_loss<kto>);

}  // namespace tilt
