// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/descend.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

namespace detail {
/// The x ≥ 0 with x + eˣ − 1 = y: where x' = 1/(1 + eˣ) from 0 has come to at time y. Newton's method on a convex function, from above.
inline double logistic_flow(double y) {
  double x = std::log1p(y);
  for (int k = 0; k < 50; ++k) x -= (x + std::expm1(x) - y) / (1 + std::exp(x));
  return x;
}
}  // namespace detail

/// Claim 6. Gradient descent on one pair that is always won, in a table of two answers: each step adds 2ηβσ(−βΔ) to Δ, which for small
/// steps is the flow βΔ + exp(βΔ) − 1 = 2ηβ²·steps; it grows like log(steps)/β and stops nowhere.
inline claim claim_finite_optimum() {
  constexpr double beta = 0.1, rate = 5;
  const answer_set world{{-std::log(2.0), -std::log(2.0)}, {1, 0}};
  const std::vector<preference> always = {{0, 1, 1}};
  claim c{6,
          "DPO converges reliably",
          "A pair that is always won has no finite optimum: Δ grows like log(steps)/β for ever. IPO's rests at Δ = 1/(2β), hinge's at Δ = "
          "1/β, where the logged reward margin is 1.",
          {}};
  c.picture = {"One pair that is always won, β = 0.1: gradient descent", "log₁₀ of steps", "Δ", {{"DPO", {}}, {"hinge", {}}, {"IPO", {}}}};

  const auto run = [&]<class L>(const L& loss, std::size_t curve, double step_size, const auto& at_decade) {
    const tabular_risk<L> risk(loss, world, always);
    std::vector<double> theta(2, 0.0);
    long done = 0;
    for (int tenth = 0; tenth <= 50; ++tenth) {
      const long steps = std::lround(std::pow(10, tenth / 10.0));
      descend(
          theta, [&](const std::vector<double>& x) { return risk.gradient(x); }, step_size, steps - done);
      done = steps;
      c.picture.curves[curve].points.push_back({tenth / 10.0, theta[0] - theta[1]});
      if (tenth % 10 == 0) at_decade(steps, theta[0] - theta[1]);
    }
    return theta[0] - theta[1];
  };
  run(dpo{.beta = beta}, 0, rate, [&](long steps, double delta) {
    if (steps < 100) return;
    const double flow = detail::logistic_flow(2 * rate * beta * beta * static_cast<double>(steps)) / beta;
    // Euler's steps against the flow: ahead by a term of order ηβ²·log(steps)/β.
    c.measurements.push_back({"DPO's Δ after " + std::to_string(steps) + " steps", delta, flow, 0.01});
  });
  const double hinge_end = run(hinge{.beta = beta}, 1, 1, [](long, double) {});
  const double ipo_end = run(ipo{.beta = beta}, 2, 0.01, [](long, double) {});
  c.measurements.push_back({"hinge's Δ after 100000 steps", hinge_end, 1 / beta, 2 * beta * beta});  // may overshoot by a step, 2ηβ
  c.measurements.push_back({"IPO's Δ after 100000 steps", ipo_end, 1 / (2 * beta), claim_bound::rounding});
  return c;
}

}  // namespace tilt
