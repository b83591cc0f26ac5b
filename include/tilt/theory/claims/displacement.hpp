// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/loss/dpo.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/descend.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

/// Claim 4. A hundred steps of DPO (β = 0.1) on one pair from a uniform reference: with a log-linear policy π(y) ∝ exp(θ·φ(y)), whose
/// four answers share the feature φ, and with a table. Of the two answers that are in no pair the first has more of the feature than
/// the chosen one. Since the slopes of a pair cancel, Δ = θ·(φ(y⁺) − φ(y⁻)) = θ follows Δ ← Δ + ηβσ(−βΔ), in closed form of no policy.
inline claim claim_displacement() {
  constexpr double rate = 0.36;
  constexpr int steps = 100;
  constexpr std::array<double, 4> feature = {1, 0, 2.35, 1};  // chosen, rejected, in no pair, in no pair
  const dpo loss{.beta = 0.1};
  const answer_set world{std::vector<double>(4, -std::log(4.0)), std::vector<double>(4, 0.0)};
  const tabular_risk risk(loss, world, {{0, 1, 1}});
  const auto logits = [&](double theta) {
    std::vector<double> z;
    for (const double f : feature) z.push_back(theta * f);
    return z;
  };

  claim c{4,
          "DPO raises the chosen answer and lowers the rejected one",
          "Only the margin has to rise. Where answers share features both may fall, and answers that are in no pair take the mass. A table "
          "of independent answers cannot show it.",
          {}};
  c.picture = {"100 steps of DPO on one pair, answers that share a feature",
               "step",
               "probability",
               {{"chosen", {}}, {"rejected", {}}, {"in no pair", {}}}};
  std::vector<double> theta = {0}, table(4, 0.0);
  double margin = 0, falls = 0;
  for (int k = 0; k <= steps; ++k) {
    const std::vector<double> logps = log_softmax(logits(theta[0]));
    for (std::size_t y = 0; y < 3; ++y) c.picture.curves[y].points.emplace_back(k, std::exp(logps[y]));
    if (k == steps) break;
    descend(
        theta,
        [&](const std::vector<double>& at) {  // ∂loss/∂θ = Σ_y φ(y)·∂loss/∂logit(y)
          const std::vector<double> g = risk.gradient(logits(at[0]));
          double slope = 0;
          for (std::size_t y = 0; y < 4; ++y) slope += feature[y] * g[y];
          return std::vector<double>{slope};
        },
        rate, 1);
    margin += rate * loss.beta * sigmoid(-loss.beta * margin);

    const double before = log_softmax(table)[0];
    descend(
        table, [&](const std::vector<double>& at) { return risk.gradient(at); }, rate, 1);
    if (log_softmax(table)[0] <= before) ++falls;
  }
  const std::vector<double> end = logits(theta[0]), logps = log_softmax(end);
  const double e = std::exp(margin), taken = std::exp(2.35 * margin), total = 1 + 2 * e + taken;
  c.measurements = {
      {"loss after 100 steps (0.693 before)", risk.value(end), std::log1p(std::exp(-loss.beta * margin)), claim_bound::rounding},
      {"probability of the chosen answer (0.25 before)", std::exp(logps[0]), e / total, claim_bound::rounding},
      {"probability of the rejected answer (0.25 before)", std::exp(logps[1]), 1 / total, claim_bound::rounding},
      {"probability of an answer in no pair (0.25 before)", std::exp(logps[2]), taken / total, claim_bound::rounding},
      {"steps in which the chosen answer of a table fell", falls, 0, 0}};
  return c;
}

}  // namespace tilt
