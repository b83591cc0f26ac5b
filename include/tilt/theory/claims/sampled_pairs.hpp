// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <set>
#include <tilt/loss/dpo.hpp>
#include <tilt/rl/sampling.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>

namespace tilt {

/// Claim 11. Groups of four samples of the small world by token_sampler, at several temperatures: pairs of different answers, of which there
/// are 6·(1 − Σp²) on the mean, and distinct answers, Σ(1 − (1 − p)⁴). And how many independent pairs six pairs of four are worth, for the
/// mean of f = |r − r'|: 6·ζ₂/(4ζ₁ + ζ₂) with ζ₂ = Var f and ζ₁ = Var E[f | one answer] (Hoeffding 1948), against the variance over all 625 groups.
inline claim claim_sampled_pairs() {
  const answer_set world = small_world();
  constexpr int groups = 20000;
  claim c{11,
          "Four samples make six preferences",
          "Only if they differ: greedy samples are one answer four times, and a pair of one answer has loss log 2 and no gradient; ties "
          "must not become preferences by their order. And "
          "six pairs of four samples are dependent: they tell less than six pairs of their own.",
          {}};
  c.picture = {
      "Pairs among four samples of five answers", "temperature", "pairs of different answers", {{"6·(1 − Σp²)", {}}, {"counted", {}}}};
  for (const double temperature : {0.0, 0.1, 0.25, 0.5, 1.0, 2.0}) {
    token_sampler sampler(sampling_options{.temperature = temperature});
    const std::span<const double> logits(world.reference_logps);
    const std::span<const double> p = sampler.probabilities(logits);
    double equal = 0, distinct = 0;
    for (const double q : p) equal += q * q, distinct += 1 - std::pow(1 - q, 4);
    double pairs_counted = 0, distinct_counted = 0;
    for (int g = 0; g < groups; ++g) {
      std::array<token, 4> sample;
      for (std::size_t k = 0; k < 4; ++k) sample[k] = sampler(logits, philox(11, static_cast<std::uint64_t>(g)), static_cast<index>(k));
      distinct_counted += static_cast<double>(std::set<token>(sample.begin(), sample.end()).size());
      for (std::size_t a = 0; a < 4; ++a)
        for (std::size_t b = 0; b < a; ++b) pairs_counted += sample[a] != sample[b] ? 1 : 0;
    }
    c.picture.curves[0].points.emplace_back(temperature, 6 * (1 - equal));
    c.picture.curves[1].points.emplace_back(temperature, pairs_counted / groups);
    if (temperature != 0 && temperature != 0.25 && temperature != 1) continue;
    const std::string at = ", temperature " + std::string(detail::number_text(temperature));
    // A group's count has a deviation of at most 3 (of 0 to 6) and 1.5 (of 1 to 4): four standard errors are 0.085 and 0.042.
    c.measurements.push_back({"pairs of different answers a group" + at, pairs_counted / groups, 6 * (1 - equal), 0.085});
    c.measurements.push_back({"distinct answers a group" + at, distinct_counted / groups, distinct, 0.042});
  }

  const dual<double, 2> same = differentiate(dpo{}, pair_logps<double>{{-2.5, -3, 4}, {-2.5, -3, 4}});
  c.measurements.push_back({"loss of a pair of one answer; log 2", same.value, std::log(2.0), claim_bound::exact});
  c.measurements.push_back({"its slope in that answer's log-probability", same.slope[0] + same.slope[1], 0, 0});

  const auto f = [&](std::size_t a, std::size_t b) { return std::abs(world.rewards[a] - world.rewards[b]); };
  const auto p = [&](std::size_t y) { return std::exp(world.reference_logps[y]); };
  double mean = 0, square = 0, of_one = 0, group_square = 0;
  for (std::size_t a = 0; a < world.size(); ++a) {
    double given = 0;
    for (std::size_t b = 0; b < world.size(); ++b) given += p(b) * f(a, b), square += p(a) * p(b) * f(a, b) * f(a, b);
    mean += p(a) * given;
    of_one += p(a) * given * given;
    for (std::size_t b = 0; b < world.size(); ++b)
      for (std::size_t d = 0; d < world.size(); ++d)
        for (std::size_t e = 0; e < world.size(); ++e) {
          const double m = (f(a, b) + f(a, d) + f(a, e) + f(b, d) + f(b, e) + f(d, e)) / 6;
          group_square += p(a) * p(b) * p(d) * p(e) * m * m;
        }
  }
  const double variance = square - mean * mean, shared = of_one - mean * mean;
  c.measurements.push_back({"independent pairs that six pairs of four samples are worth, for a mean of |r − r'|",
                            variance / (group_square - mean * mean), 6 * variance / (4 * shared + variance), claim_bound::rounding});
  return c;
}

}  // namespace tilt
