// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <tilt/data/wilson_interval.hpp>
#include <tilt/scalar/config.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tilt/scalar/softplus.hpp>

namespace tilt {

/// How good the probabilities are that a reward model gives to pairs, P = σ(r_chosen − r_rejected), and its choices.
struct calibration {
  index pairs = 0;
  interval accuracy;    ///< share of pairs whose chosen response scores higher; a tie counts as wrong, as in TRL. Wilson's interval at 95 %
  double brier = 0;     ///< mean (1 − P)² (Brier 1950); 1/4 for a model that knows nothing and says so
  double log_loss = 0;  ///< mean −log P, nats
  double expected_calibration_error = 0;  ///< Σ_bins share·|accuracy − mean confidence|, confidence max(P, 1 − P) in ten bins of [½, 1]
};

/// From the margins r_chosen − r_rejected of pairs. The calibration error is Guo et al. 2017's (arXiv 1706.04599, eq. 3). O(n). Throws `error`
/// if there are none.
inline calibration calibrate(std::span<const double> margins) {
  if (margins.empty()) throw error("calibrate: there are no pairs; give one at least");
  struct bin {
    double count = 0, hits = 0, confidence = 0;
  };
  std::array<bin, 10> bins{};
  calibration c;
  c.pairs = static_cast<index>(margins.size());
  const double n = static_cast<double>(margins.size());
  index hits = 0;
  for (const double margin : margins) {
    const double p = sigmoid(margin), wrong = sigmoid(-margin), confidence = std::max(p, wrong);
    const bool hit = margin > 0;
    hits += hit ? 1 : 0;
    c.brier += wrong * wrong / n;
    c.log_loss += softplus(-margin) / n;
    bin& b = bins[static_cast<std::size_t>(std::min(9.0, (confidence - 0.5) * 20))];
    b.count += 1;
    b.hits += hit ? 1 : 0;
    b.confidence += confidence;
  }
  c.accuracy = wilson_interval(static_cast<double>(hits), n);
  for (const bin& b : bins) c.expected_calibration_error += std::abs(b.hits - b.confidence) / n;
  return c;
}

}  // namespace tilt
