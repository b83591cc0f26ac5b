// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/logits.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/claim.hpp>
#include <vector>

namespace tilt {

namespace detail {
/// One row of random logits and its labels, for what masks do to it.
struct masked_row {
  static constexpr index length = 8, vocabulary = 11;
  std::vector<double> logits;
  std::vector<index> labels = {3, 5, 0, 7, 1, 9, 0, 2};  // 0 is a token like any other

  explicit masked_row(std::uint64_t seed) : logits(length * vocabulary) {
    const philox draws(seed);
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 2 * normal(draws, i);
  }
  double sum(const std::vector<int>& mask) const {
    std::vector<double> logps(1);
    sequence_logps(
        logits_batch<double>{.logits = logits, .labels = labels, .mask = mask, .batch = 1, .length = length, .vocabulary = vocabulary},
        logps);
    return logps[0];
  }
  /// log π of the label at a position, written out.
  double token(index t) const {
    double total = 0;
    for (index v = 0; v < vocabulary; ++v) total += std::exp(logits[static_cast<std::size_t>((t - 1) * vocabulary + v)]);
    return logits[static_cast<std::size_t>((t - 1) * vocabulary + labels[static_cast<std::size_t>(t)])] - std::log(total);
  }
};
}  // namespace detail

/// Claim 3. What one mask for both responses does to log-probabilities, loss and gradient.
inline claim claim_masks() {
  const std::vector<int> longer = {0, 0, 1, 1, 1, 1, 1, 1}, shorter = {0, 0, 1, 1, 1, 0, 0, 0}, not_zero = {0, 0, 0, 1, 1, 1, 0, 1};
  double farthest = 0, steepest = 0;
  for (std::uint64_t policy = 0; policy < 100; ++policy) {
    const detail::masked_row of_policy(2 * policy), of_reference(2 * policy + 1);
    const double sum = of_policy.sum(longer), reference = of_reference.sum(longer);
    const dual<double, 2> d = differentiate(dpo{}, pair_logps<double>{{sum, reference}, {sum, reference}});
    farthest = std::max(farthest, std::abs(d.value - std::log(2.0)));
    steepest = std::max(steepest, std::abs(d.slope[0] + d.slope[1]));  // both slopes fall on the same log-probability
  }
  const detail::masked_row row(300);
  return {3,
          "One attention mask serves both responses",
          "Each response has a mask of its own. With the same mask on the same row Δ is 0 for every policy: the loss stays log 2 and its "
          "gradient 0. The mask of a "
          "shorter response cuts the longer one's end off, and a mask made by comparing ids with 0 loses real tokens.",
          {{"largest |loss − log 2| of 100 policies, chosen and rejected under one mask", farthest, 0, claim_bound::exact},
           {"largest gradient of theirs", steepest, 0, claim_bound::exact},
           {"log π lost by the shorter response's mask, against its last three tokens", row.sum(longer) - row.sum(shorter),
            row.token(5) + row.token(6) + row.token(7), claim_bound::rounding},
           {"log π lost by a mask of ids other than 0, against those two tokens", row.sum(longer) - row.sum(not_zero),
            row.token(2) + row.token(6), claim_bound::rounding}}};
}

}  // namespace tilt
