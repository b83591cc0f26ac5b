// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/rl/kl_estimators.hpp>
#include <tilt/scalar/dual.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/descend.hpp>

namespace tilt {

namespace detail {
/// E_{y~π}[weight(y, log π(y))·∇ log π(y)], π = softmax(θ), by enumeration: with ∂log π(y)/∂θ_k = 1[y = k] − π(k).
template <class Weight> std::vector<double> score_expectation(std::span<const double> theta, const Weight& weight) {
  const std::vector<double> logps = log_softmax(theta);
  std::vector<double> g(theta.size(), 0.0);
  for (std::size_t y = 0; y < g.size(); ++y) {
    const double w = std::exp(logps[y]) * weight(y, logps[y]);
    for (std::size_t k = 0; k < g.size(); ++k) g[k] += w * ((k == y ? 1 : 0) - std::exp(logps[k]));
  }
  return g;
}
inline double distance(std::span<const double> a, std::span<const double> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}
}  // namespace detail

/// Claim 10. Expectations, by enumeration, of the gradient that differentiating r(y) − β·log π(y)/π_ref(y) of a sample y gives, and of
/// REINFORCE's (Williams 1992), (r(y) − β·log π(y)/π_ref(y))·∇log π(y), against central differences of E[r] − β·KL(π‖π_ref).
inline claim claim_pathwise_gradient() {
  const answer_set world = small_world();
  constexpr double beta = 0.3;
  const std::vector<double> zero(world.size(), 0.0);
  const auto objective = [&](std::span<const double> theta) {
    const std::vector<double> logps = log_softmax(theta);
    return expectation(logps, world.rewards) - beta * kl_divergence(logps, world.reference_logps);
  };
  const auto differences = [&](std::vector<double> theta) {
    std::vector<double> g;
    for (double& t : theta) {
      const double kept = t, h = 1e-5;
      t = kept + h;
      const double up = objective(theta);
      t = kept - h;
      g.push_back((up - objective(theta)) / (2 * h));
      t = kept;
    }
    return g;
  };
  // What automatic differentiation makes of one sample's objective, given that the sample and its reward are data.
  const auto naive = [&](std::size_t y, double logp) {
    using number = dual<double, 1>;
    const number of_sample = number(world.rewards[y]) - number(beta) * kl_k1(number::variable(logp, 0), number(world.reference_logps[y]));
    return of_sample.slope[0];
  };
  const auto reinforce = [&](std::size_t y, double logp) { return world.rewards[y] - beta * kl_k1(logp, world.reference_logps[y]); };

  const std::vector<double> elsewhere = {0.3, -0.8, 0.5, 0.2, -0.2};
  claim c{10,
          "The RL objective can be trained by differentiating reward − β·KL on samples",
          "A sampled reward does not depend on the parameters: its gradient is 0, and that of the sampled KL has expectation 0 whatever "
          "the policy. Nothing is learnt. The gradient of an "
          "expectation over samples has the score in it, ∇E[r] = E[r·∇log π] (REINFORCE); and KL's own is 0 where policy = reference, so "
          "that r alone moves the first step.",
          {}};
  for (const auto& [where, theta] :
       {std::pair<std::string, std::vector<double>>{"at π_ref", world.reference_logps}, {"elsewhere", elsewhere}}) {
    const std::vector<double> exact = differences(theta);
    c.measurements.push_back({"largest component of the naive gradient's expectation, " + where,
                              detail::distance(detail::score_expectation(theta, naive), zero), 0, claim_bound::rounding});
    c.measurements.push_back({"largest component of REINFORCE's, " + where,
                              detail::distance(detail::score_expectation(theta, reinforce), zero), detail::distance(exact, zero), 1e-9});
    c.measurements.push_back({"its distance from the differences of E[r] − β·KL, " + where,
                              detail::distance(detail::score_expectation(theta, reinforce), exact), 0, 1e-9});
  }
  const auto only_kl = [&](std::size_t y, double logp) { return kl_k1(logp, world.reference_logps[y]); };
  c.measurements.push_back({"largest component of KL's gradient at π_ref",
                            detail::distance(detail::score_expectation(world.reference_logps, only_kl), zero), 0, claim_bound::rounding});

  c.picture = {"300 expected steps, rate 1, β = 0.3",
               "step",
               "E[r] − β·KL",
               {{"reward − β·KL differentiated", {}}, {"REINFORCE", {}}, {"β·log Z, the most", {}}}};
  std::vector<double> with_naive = world.reference_logps, with_reinforce = world.reference_logps, scaled = world.reference_logps;
  for (std::size_t y = 0; y < world.size(); ++y) scaled[y] += world.rewards[y] / beta;
  const double most = beta * log_sum_exp(scaled), begun = objective(world.reference_logps);
  for (int k = 0; k <= 300; ++k) {
    if (k % 5 == 0) {
      c.picture.curves[0].points.emplace_back(k, objective(with_naive));
      c.picture.curves[1].points.emplace_back(k, objective(with_reinforce));
      c.picture.curves[2].points.emplace_back(k, most);
    }
    const auto uphill = [](std::vector<double>& theta, const auto& weight) {
      descend(
          theta,
          [&](const std::vector<double>& at) {
            std::vector<double> g = detail::score_expectation(at, weight);
            for (double& v : g) v = -v;
            return g;
          },
          1, 1);
    };
    uphill(with_naive, naive);
    uphill(with_reinforce, reinforce);
  }
  c.measurements.push_back(
      {"E[r] − β·KL after 300 steps of the naive gradient; where it began", objective(with_naive), begun, claim_bound::rounding});
  c.measurements.push_back({"the same with REINFORCE's; the most there is, β·log Z", objective(with_reinforce), most, 1e-3});
  return c;
}

}  // namespace tilt
