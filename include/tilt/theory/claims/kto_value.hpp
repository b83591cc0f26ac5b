// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/kto.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/minimize.hpp>

namespace tilt {

namespace detail {
/// −(1 − f)·log σ(x) − f·log σ(−x): what log-sigmoids make of a good answer, a share f of whose labels is flipped.
inline second_order flipped_log_sigmoid(double flipped, double at) {
  using inner = dual<double, 1>;
  const auto x = dual<inner, 1>::variable(inner::variable(at, 0), 0);
  const auto loss = -(constant<dual<inner, 1>>(1 - flipped) * log_sigmoid(x) + constant<dual<inner, 1>>(flipped) * log_sigmoid(-x));
  second_order result(1);
  result.value = loss.value.value, result.gradient[0] = loss.slope[0].value, result.hessian[0] = loss.slope[0].slope[0];
  return result;
}
}  // namespace detail

/// Claim 13. KTO's slopes, its use of a reference, and what flipped labels do to it: its expected loss with a share f of flipped labels
/// is (1 − 2f)·loss + f, so no policy's rank changes; that of log-sigmoids is least at the reward log((1 − f)/f).
inline claim claim_kto_value() {
  const kto loss{.beta = 0.1};
  const auto slope = [&](double reward, bool desirable, double z0 = 0) {
    return differentiate(loss, labelled_logps<double>{{reward / loss.beta, 0}, desirable}, z0).slope[0] / loss.beta;
  };
  using number = dual<double, 1>;
  const double e20 = std::exp(-20.0);
  claim c{13,
          "KTO needs no reference and is a pair of log-sigmoids",
          "It needs the reference in its reward and in z0, takes single labelled answers, and its value is σ, not log σ: an answer "
          "labelled against all that the policy holds has a "
          "slope near 0, and flipped labels (fewer than half) shrink its gradient but do not turn it.",
          {}};
  c.measurements = {
      {"weight of a good answer at βa = −20, z0 = 0: KTO's σ(1 − σ)", -slope(-20, true), e20 / ((1 + e20) * (1 + e20)), 1e-22},
      {"the same of −log σ", -(-log_sigmoid(number::variable(-20.0, 0))).slope[0], 1 / (1 + e20), claim_bound::exact},
      {"KTO's value of a good answer, reference raised by 1 nat: change",
       loss(labelled_logps<double>{{-3, -2}, true}, 0.0) - loss(labelled_logps<double>{{-3, -3}, true}, 0.0),
       1 / (1 + std::exp(-0.1)) - 0.5, claim_bound::rounding},
      {"the same, z0 raised by 1 nat",
       loss(labelled_logps<double>{{-3, -3}, true}, 1.0) - loss(labelled_logps<double>{{-3, -3}, true}, 0.0),
       1 / (1 + std::exp(-0.1)) - 0.5, claim_bound::rounding},
  };
  for (const double f : {0.1, 0.2, 0.3, 0.4}) {
    const std::string at = ", " + std::to_string(std::lround(100 * f)) + " % of labels flipped";
    const double x = 2.5;
    c.measurements.push_back({"KTO's slope over that without flips; 1 − 2f" + at,
                              ((1 - f) * slope(x, true) + f * slope(x, false)) / slope(x, true), 1 - 2 * f, claim_bound::rounding});
    const minimum fitted = minimize([&](std::span<const double> at_reward) { return detail::flipped_log_sigmoid(f, at_reward[0]); }, {0});
    c.measurements.push_back(
        {"log-sigmoids' best reward of a good answer; log((1 − f)/f)" + at, fitted.at[0], std::log((1 - f) / f), claim_bound::rounding});
  }
  c.picture = {"How hard a good answer is pushed", "β·(log π/π_ref − z0)", "weight", {{"KTO: σ(1 − σ)", {}}, {"−log σ: 1 − σ", {}}}};
  for (double x = -10; x <= 10; x += 0.5) {
    c.picture.curves[0].points.emplace_back(x, -slope(x, true));
    c.picture.curves[1].points.emplace_back(x, -(-log_sigmoid(number::variable(x, 0))).slope[0]);
  }
  return c;
}

}  // namespace tilt
