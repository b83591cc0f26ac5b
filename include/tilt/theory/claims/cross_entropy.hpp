// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <tilt/loss/dpo.hpp>
#include <tilt/theory/claim.hpp>

namespace tilt {

namespace detail {
/// Binary cross-entropy of a label t in [0, 1] and a logit, −t·log σ(z) − (1 − t)·log(1 − σ(z)), as deep-learning libraries have it.
inline double binary_cross_entropy(double logit, double label) {
  return std::max(logit, 0.0) - logit * label + std::log1p(std::exp(-std::abs(logit)));
}
}  // namespace detail

/// Claim 18. DPO against the binary cross-entropy of label 1 (1 − ε with label smoothing) and logit βΔ, over margins up to ±10⁴.
inline claim claim_cross_entropy() {
  claim c{18, "The loss is a binary cross-entropy on the margin", "It is: with label 1, or 1 − ε with label smoothing, and logit βΔ.", {}};
  for (const double smoothing : {0.0, 0.1}) {
    const dpo loss{.beta = 0.1, .label_smoothing = smoothing};
    double worst = 0;
    for (int k = -1000; k <= 1000; ++k) {
      const double delta = std::copysign(std::pow(std::abs(k) / 10.0, 2.5), k);
      const double ours = loss(pair_logps<double>{{delta, 0}, {0, 0}}),
                   theirs = detail::binary_cross_entropy(loss.beta * delta, 1 - smoothing);
      worst = std::max(worst, std::abs(ours - theirs) / std::max(1.0, std::abs(theirs)));
    }
    c.measurements.push_back({"largest difference at 2,001 margins, label smoothing " + std::string(detail::number_text(smoothing)), worst,
                              0, claim_bound::exact});
  }
  return c;
}

}  // namespace tilt
