// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/loss/dpo.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

/// Claim 5. One pair, three answers of equal probability under the reference: policies with the same Δ and more or less mass on the
/// answer that is in no pair. KL(π‖π_ref) of a policy that gives the pair the mass m is, by the chain rule of KL,
/// m·KL(within the pair) + KL((m, 1 − m)‖(2/3, 1/3)).
inline claim claim_unseen_answers() {
  constexpr double delta = 3;
  const dpo loss{.beta = 0.1};
  const std::vector<double> reference(3, -std::log(3.0));
  const double share = sigmoid(delta), within = share * std::log(2 * share) + (1 - share) * std::log(2 * (1 - share));
  claim c{5,
          "β keeps the policy near the reference everywhere",
          "The loss is a function of Δ, of answers in pairs. It says nothing of the mass of answers in no pair: policies far apart have "
          "the same loss to the last digits.",
          {}};
  c.picture = {"Policies of the same loss (one pair, three answers, Δ = 3)",
               "probability of the chosen answer",
               "KL(π‖π_ref) in nats",
               {{"KL(π‖π_ref)", {}}, {"the loss", {}}}};
  const double expected_loss = std::log1p(std::exp(-loss.beta * delta));
  for (int k = 1; k < 50; ++k) {
    const double m = k / 50.0;
    const std::vector<double> logps = {std::log(m * share), std::log(m * (1 - share)), std::log(1 - m)};
    c.picture.curves[0].points.push_back({m * share, kl_divergence(logps, reference)});
    c.picture.curves[1].points.push_back({m * share, loss(pair_logps<double>{{logps[0], reference[0]}, {logps[1], reference[1]}})});
  }
  for (const double chosen : {0.67, 0.26, 0.05}) {
    const double m = chosen / share;
    const std::vector<double> logps = {std::log(chosen), std::log(m - chosen), std::log(1 - m)};
    const std::string at = ", π(chosen) = " + std::string(detail::number_text(chosen));
    c.measurements.push_back(
        {"loss" + at, loss(pair_logps<double>{{logps[0], reference[0]}, {logps[1], reference[1]}}), expected_loss, claim_bound::rounding});
    c.measurements.push_back({"KL(π‖π_ref)" + at, kl_divergence(logps, reference),
                              m * within + m * std::log(1.5 * m) + (1 - m) * std::log(3 * (1 - m)), claim_bound::rounding});
  }
  return c;
}

}  // namespace tilt
