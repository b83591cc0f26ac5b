// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/options.hpp>
#include <tilt/scalar/log_sigmoid.hpp>

namespace tilt::detail {

/// −(1 − ε) log σ(m) − ε log σ(−m): the cross-entropy of a logit m with a label that is wrong with probability ε. Slope −σ(−m) + ε.
/// Without smoothing the second term is left out and not multiplied by 0, so that m may be infinite.
template <class T> TILT_HD T logistic(const T& m, double label_smoothing) {
  if (label_smoothing == 0) return -log_sigmoid(m);
  const T flipped = constant<T>(label_smoothing), kept = constant<T>(1) - flipped;
  return -(kept * log_sigmoid(m) + flipped * log_sigmoid(-m));
}

inline void require_smoothing(double label_smoothing) {
  require_usable(label_smoothing >= 0 && label_smoothing < 0.5, "label_smoothing", label_smoothing,
                 "give a number from 0 to below 0.5; beyond it the labels would mean their opposite");
}

}  // namespace tilt::detail
