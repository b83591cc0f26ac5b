// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/options.hpp>
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/square.hpp>

namespace tilt {

/// A reward model's loss on a pair of scores r⁺, r⁻ (Bradley & Terry 1952; Ouyang et al. 2022, arXiv 2203.02155, eq. 1), with a margin m
/// (Touvron et al. 2023, arXiv 2307.09288, §3.2.2) and a term that keeps scores around 0, which differences alone leave open (Eisenstein et
/// al. 2023, arXiv 2312.09244):  −log σ(r⁺ − r⁻ − m) + c·(r⁺ + r⁻)².
/// c is center_rewards_coefficient; the mean over a batch is TRL's RewardTrainer's. T is a number or a dual.
struct bradley_terry {
  double center_rewards_coefficient = 0;  ///< c ≥ 0; TRL recommends 0.01

  template <class T> TILT_HD T operator()(const T& chosen, const T& rejected, double margin = 0) const {
    return -log_sigmoid(chosen - rejected - constant<T>(margin)) + constant<T>(center_rewards_coefficient) * square(chosen + rejected);
  }

  static constexpr std::string_view name = "bradley_terry";
  static constexpr auto options() {
    return std::tuple(loss_option{"center_rewards_coefficient", &bradley_terry::center_rewards_coefficient});
  }
  void check() const { detail::require_weight("center_rewards_coefficient", center_rewards_coefficient); }
};

static_assert(described_loss<bradley_terry>);

/// Value and slopes ∂loss/∂r⁺, ∂loss/∂r⁻, by dual numbers.
template <class T> TILT_HD dual<T, 2> differentiate(const bradley_terry& loss, const T& chosen, const T& rejected, double margin = 0) {
  using number = dual<T, 2>;
  return loss(number::variable(chosen, 0), number::variable(rejected, 1), margin);
}

}  // namespace tilt
