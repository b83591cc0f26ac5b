// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/logits.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/claim.hpp>
#include <vector>

namespace tilt {

/// Claim 2. A row of normal logits over a vocabulary of 49,152 (SmolLM2's): Σ_v log π(v) against log π(label). For logits of deviation s
/// the law of large numbers makes the mean of log π(v) −log V − s²/2, to about √((e^s² − 1)/V) = 0.02.
inline claim claim_vocabulary_sum() {
  constexpr index vocabulary = 49152;
  constexpr double deviation = 1.7;
  const philox draws(2);
  std::vector<double> logits(2 * vocabulary, 0.0);  // of two positions, of which the second predicts nothing
  for (index v = 0; v < vocabulary; ++v) logits[static_cast<std::size_t>(v)] = deviation * normal(draws, static_cast<std::uint64_t>(v));
  const auto gathered = [&](index label) {
    const std::vector<index> labels = {-100, label};
    std::vector<double> logps(1);
    token_logps(logits_batch<double>{.logits = logits, .labels = labels, .batch = 1, .length = 2, .vocabulary = vocabulary}, logps);
    return logps[0];
  };

  constexpr index label = 31, another = 7;
  const double level = logits[label] - gathered(label), size = static_cast<double>(vocabulary);
  double sum = 0;
  for (index v = 0; v < vocabulary; ++v) sum += logits[static_cast<std::size_t>(v)] - level;
  const double mean = -std::log(size) - deviation * deviation / 2;
  return {2,
          "A response's log-probability is the sum of log-softmax over the vocabulary",
          "What has to be taken is the log-probability of the label, at each position the next token. The sum over the vocabulary is some "
          "50,000 times as "
          "large and mentions no label: it is the same number for any text, whatever was preferred.",
          {{"Σ over the vocabulary of log π(v), one token, V = 49,152", sum, size * mean, 0.01},
           {"log π(label)", gathered(label), logits[label] + mean, 0.01},
           {"change of log π(label) with another label, against that of the logits", gathered(another) - gathered(label),
            logits[another] - logits[label], claim_bound::rounding}}};
}

}  // namespace tilt
