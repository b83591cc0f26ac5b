// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/options.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/minimize.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

namespace detail {
/// β·KL(π‖π_ref) − E_π[r] as a function of θ, π = softmax(θ): with a(y) = β·(log π(y)/π_ref(y) + 1) − r(y), the derivative with respect
/// to log π(y) is π(y)·a(y), and its own is π(y)·(a(y) + β), on the diagonal.
inline second_order regularised_reward(const answer_set& world, double beta, std::span<const double> theta) {
  const std::size_t n = world.size();
  const std::vector<double> logps = log_softmax(theta);
  std::vector<double> g(n), h(n * n, 0.0);
  double value = 0;
  for (std::size_t y = 0; y < n; ++y) {
    const double p = std::exp(logps[y]), ratio = logps[y] - world.reference_logps[y];
    value += p * (beta * ratio - world.rewards[y]);
    g[y] = p * (beta * (ratio + 1) - world.rewards[y]);
    h[y * n + y] = g[y] + p * beta;
  }
  return through_softmax(theta, logps, value, g, h);
}
}  // namespace detail

/// Claim 1. The maximiser of E[r] − β·KL(π‖π_ref), found by a minimiser that knows no formula for it, is compared with
/// π_ref·exp(r/β)/Z and with π_ref·exp(r).
inline claim claim_optimal_policy() {
  const answer_set world = small_world();
  claim c{
      1,
      "The optimal policy is proportional to π_ref·exp(r)",
      "π*(y) = π_ref(y)·exp(r(y)/β)/Z for every answer. DPO writes r = β·log(π/π_ref) + β·log Z, and log Z, being the prompt's, cancels in "
      "a pair; Bradley–Terry enters only through the likelihood of a label.",
      {}};
  const auto found = [&world](double beta) {
    return log_softmax(
        minimize([&](std::span<const double> theta) { return detail::regularised_reward(world, beta, theta); }, reference_parameters(world))
            .at);
  };
  const std::vector<double> without_beta = tilted(world.reference_logps, world.rewards, 1);
  for (const double beta : {0.1, 1.0, 3.0}) {
    const std::string at = ", β = " + std::string(detail::number_text(beta));
    const std::vector<double> best = found(beta), formula = tilted(world.reference_logps, world.rewards, beta);
    c.measurements.push_back({"total variation between the maximiser found and π_ref·exp(r/β)/Z" + at, total_variation(best, formula), 0,
                              claim_bound::rounding});
    c.measurements.push_back({"total variation between it and π_ref·exp(r)/Z" + at, total_variation(best, without_beta),
                              total_variation(formula, without_beta), claim_bound::rounding});

    // r − β·log(π/π_ref) is β·log Z for every answer, so that it cancels between two.
    std::vector<double> scaled(world.reference_logps);
    for (std::size_t y = 0; y < world.size(); ++y) scaled[y] += world.rewards[y] / beta;
    double residue = 0;
    for (std::size_t y = 0; y < world.size(); ++y)
      residue += std::exp(best[y]) * std::abs(world.rewards[y] - beta * (best[y] - world.reference_logps[y]) - beta * log_sum_exp(scaled));
    c.measurements.push_back({"mean |r − β·log(π/π_ref) − β·log Z| under it" + at, residue, 0, claim_bound::rounding});
  }
  return c;
}

}  // namespace tilt
