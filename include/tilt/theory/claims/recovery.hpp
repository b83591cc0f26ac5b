// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/descend.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

namespace detail {
/// The asymptotic root mean square of the error of n labels' maximum-likelihood θ, ‖θ̂ − θ‖ for centred θ: √(tr(I⁻¹)/n), where the
/// Fisher information of one label is the expected loss's Hessian at the optimum. tabular_risk pins the mean by an eigenvalue of |θ|,
/// whose part is left out.
inline double fisher_error(const second_order& optimum, double labels) {
  const std::size_t n = optimum.size();
  double trace = -1 / static_cast<double>(n);
  std::vector<double> unit(n), column;
  for (std::size_t j = 0; j < n; ++j) {
    unit.assign(n, 0.0);
    unit[j] = 1;
    if (!solve_shifted(optimum.hessian, 0, unit, column)) return std::numeric_limits<double>::quiet_NaN();
    trace += column[j];
  }
  return std::sqrt(trace / labels);
}
}  // namespace detail

/// Claim 9. DPO's optimum against π* = π_ref·exp(r/β)/Z for three kinds of label: Bradley–Terry's probabilities, labels drawn from them,
/// and labels by rank. On ranks the margins grow in the direction of the widest least margin (Soudry et al. 2018, arXiv 1710.10345), at
/// which neighbours in rank are equally far apart: the spread grows by (n − 1)·log 10/β a decade of steps.
inline claim claim_recovery() {
  const answer_set world = small_world();
  constexpr double beta = 0.1;
  const dpo loss{.beta = beta};
  const std::vector<double> best = tilted(world.reference_logps, world.rewards, beta);
  const tabular_risk<dpo> soft(loss, world, bradley_terry_preferences(world));
  const minimum optimum = minimize(soft, reference_parameters(world));
  claim c{9,
          "DPO recovers the optimal policy of the reward",
          "With labels drawn from Bradley–Terry, or weighted by it, yes: exactly with its probabilities, with an error of 1/√labels with "
          "draws. With labels by rank, never: the "
          "implicit rewards grow apart without end and forget how far apart the rewards were.",
          {}};
  c.measurements.push_back({"total variation between the optimum and π*, Bradley–Terry's probabilities",
                            total_variation(log_softmax(optimum.at), best), 0, claim_bound::rounding});

  // Drawn labels: the implicit rewards β·θ̂ − β·log π_ref, centred, against the centred rewards, over several draws.
  constexpr int draws_a_pair = 2000, repeats = 64, pairs = 10;
  double squares = 0;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto data = detail::drawn_preferences(world, draws_a_pair, philox(9, static_cast<std::uint64_t>(repeat)));
    const minimum fitted = minimize(tabular_risk<dpo>(loss, world, data), reference_parameters(world));
    for (std::size_t y = 0; y < world.size(); ++y) squares += (fitted.at[y] - optimum.at[y]) * (fitted.at[y] - optimum.at[y]);
  }
  // The mean of 64 draws of a χ² with 4 degrees of freedom is within 35 % of its expectation at four standard errors; its root within half of that.
  c.measurements.push_back({"error of the implicit rewards from 20,000 drawn labels, over Fisher's √(tr I⁻¹/n)",
                            std::sqrt(squares / repeats) / detail::fisher_error(soft(optimum.at), draws_a_pair * pairs), 1, 0.18});

  const tabular_risk<dpo> hard(loss, world, ranked_preferences(world));
  c.picture = {"How far apart the log-ratios are, β = 0.1: gradient descent (rate 50)",
               "log₁₀ of steps",
               "max − min of log π/π_ref",
               {{"labels by rank", {}}, {"labels by Bradley–Terry", {}}, {"π*", {}}}};
  std::vector<double> on_ranks = reference_parameters(world), on_soft = on_ranks, decades;
  long done = 0;
  for (int tenth = 0; tenth <= 50; ++tenth) {
    const long steps = std::lround(std::pow(10, tenth / 10.0));
    descend(
        on_ranks, [&](const std::vector<double>& x) { return hard.gradient(x); }, 50, steps - done);
    descend(
        on_soft, [&](const std::vector<double>& x) { return soft.gradient(x); }, 50, steps - done);
    done = steps;
    c.picture.curves[0].points.emplace_back(tenth / 10.0, log_ratio_spread(world, on_ranks));
    c.picture.curves[1].points.emplace_back(tenth / 10.0, log_ratio_spread(world, on_soft));
    c.picture.curves[2].points.emplace_back(tenth / 10.0, 2 / beta);
    if (tenth % 10 == 0) decades.push_back(log_ratio_spread(world, on_ranks));
  }
  c.measurements.push_back({"spread of log π/π_ref after 100,000 steps on Bradley–Terry's probabilities; (max r − min r)/β",
                            log_ratio_spread(world, on_soft), 2 / beta, claim_bound::rounding});
  c.measurements.push_back({"growth of that spread on labels by rank, from 10,000 to 100,000 steps; 4·log 10/β", decades[5] - decades[4],
                            4 * std::log(10.0) / beta, 0.02});
  return c;
}

}  // namespace tilt
