// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/descend.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

/// Claim 8. KL(π‖π_ref) that DPO reaches at β = 0.01, 0.1 and 1, in four regimes, and what theory has for each:
/// soft labels at the optimum, KL of π_ref·exp(r/β)/Z; labels by rank, after long, −log π_ref(best) whatever β; a few steps of Adam, each
/// component of θ moved by rate·steps in its gradient's direction, whatever β; plain gradient descent, KL ∝ β² while it is small.
inline claim claim_strength_and_distance() {
  const answer_set world = small_world();
  const std::vector<preference> soft = bradley_terry_preferences(world), ranks = ranked_preferences(world);
  const auto kl = [&](const std::vector<double>& theta) { return kl_divergence(log_softmax(theta), world.reference_logps); };
  const auto gradient = [](const tabular_risk<dpo>& risk) { return [&risk](const std::vector<double>& x) { return risk.gradient(x); }; };

  claim c{8,
          "A low β stays near the reference",
          "With labels by Bradley–Terry, at the optimum, a low β goes farther. With labels by rank every β ends at the best answer; a few "
          "steps of Adam go as far for every β; "
          "plain gradient descent, stopped early, goes less far for a low β. β says where the optimum is, not how far a run has come.",
          {}};
  c.picture = {"KL under Adam (rate 0.01), labels by Bradley–Terry", "log₁₀ of steps", "KL(π‖π_ref) in nats", {}};
  std::vector<double> descended;
  for (const double beta : {0.01, 0.1, 1.0}) {
    const std::string at = ", β = " + std::string(detail::number_text(beta));
    const tabular_risk<dpo> on_soft({.beta = beta}, world, soft), on_ranks({.beta = beta}, world, ranks);

    const minimum optimum = minimize(on_soft, reference_parameters(world));
    c.measurements.push_back({"KL at the optimum, soft labels" + at, kl(optimum.at),
                              kl_divergence(tilted(world.reference_logps, world.rewards, beta), world.reference_logps),
                              claim_bound::rounding});

    std::vector<double> theta = world.reference_logps;
    descend_adam(theta, gradient(on_ranks), 0.1, 10000, 1e-300);
    c.measurements.push_back({"KL after 10,000 steps of Adam, labels by rank" + at, kl(theta), -world.reference_logps[0], 1e-3});

    theta = world.reference_logps;
    std::vector<double> moved = theta;
    const std::vector<double> first = on_soft.gradient(theta);
    for (std::size_t y = 0; y < moved.size(); ++y) moved[y] -= 10 * 0.001 * (first[y] > 0 ? 1 : -1);
    descend_adam(theta, gradient(on_soft), 0.001, 10, 1e-300);
    c.measurements.push_back(
        {"KL after 10 steps of Adam (rate 0.001), soft labels, over that of ten whole steps" + at, kl(theta) / kl(moved), 1, 0.05});

    theta = world.reference_logps;
    descend(theta, gradient(on_soft), 0.003, 100);
    descended.push_back(kl(theta));

    claim_curve curve{"β = " + std::string(detail::number_text(beta)), {}};
    for (int tenth = 0; tenth <= 40; tenth += 2) {  // a run for each point, since Adam's state is descend_adam's own
      std::vector<double> x = world.reference_logps;
      descend_adam(x, gradient(on_soft), 0.01, std::lround(std::pow(10, tenth / 10.0)), 1e-300);
      curve.points.emplace_back(tenth / 10.0, kl(x));
    }
    c.picture.curves.push_back(std::move(curve));
  }
  c.measurements.push_back(
      {"KL after 100 steps of gradient descent (rate 0.003), at β = 0.1 over that at 0.01", descended[1] / descended[0], 100, 0.05});
  c.measurements.push_back({"the same, at β = 1 over that at 0.1", descended[2] / descended[1], 100, 0.05});
  return c;
}

}  // namespace tilt
