// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

/// Claim 14. Rounds of DPO, each minimised to the end on Bradley–Terry's labels (β = 1), with the last round's policy as the reference, and
/// with the first one's: exp(n·r/β) after n rounds, the tilt of β/n, against no change after the first.
inline claim claim_iterated_tilt() {
  constexpr double beta = 1;
  constexpr int rounds = 8;
  const answer_set world = small_world();
  const std::vector<preference> data = bradley_terry_preferences(world);
  claim c{14,
          "Iterating DPO keeps improving the policy",
          "With the reference reset each round, n rounds tilt to exp(n·r/β): an effective β/n, farther from the first policy each time, "
          "towards the one best answer. With the reference kept, "
          "and labels of the same reward, nothing happens after the first round.",
          {}};
  c.picture = {"Rounds of DPO, β = 1, on Bradley–Terry's labels",
               "round",
               "KL from the first reference, nats",
               {{"reference reset each round", {}}, {"reference kept", {}}}};
  answer_set moving = world;
  std::vector<double> kept = reference_parameters(world);
  c.picture.curves[0].points.emplace_back(0, 0);
  c.picture.curves[1].points.emplace_back(0, 0);
  for (int n = 1; n <= rounds; ++n) {
    moving.reference_logps = log_softmax(minimize(tabular_risk(dpo{.beta = beta}, moving, data), reference_parameters(moving)).at);
    kept = minimize(tabular_risk(dpo{.beta = beta}, world, data), kept).at;
    c.picture.curves[0].points.emplace_back(n, kl_divergence(moving.reference_logps, world.reference_logps));
    c.picture.curves[1].points.emplace_back(n, kl_divergence(log_softmax(kept), world.reference_logps));
    if (n != 1 && n != 2 && n != rounds) continue;
    const std::string after = ", after " + std::to_string(n) + (n == 1 ? " round" : " rounds");
    const std::vector<double> theory = tilted(world.reference_logps, world.rewards, beta / n);
    c.measurements.push_back({"reference reset: total variation to π_ref·exp(n·r/β)/Z" + after,
                              total_variation(moving.reference_logps, theory), 0, claim_bound::rounding});
    c.measurements.push_back({"reference reset: KL from the first reference" + after,
                              kl_divergence(moving.reference_logps, world.reference_logps), kl_divergence(theory, world.reference_logps),
                              claim_bound::rounding});
    c.measurements.push_back({"reference kept: total variation to π_ref·exp(r/β)/Z" + after,
                              total_variation(log_softmax(kept), tilted(world.reference_logps, world.rewards, beta)), 0,
                              claim_bound::rounding});
  }
  return c;
}

}  // namespace tilt
