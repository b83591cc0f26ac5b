// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/config.hpp>

namespace tilt {

/// A draw from {0, …, n − 1} with probabilities proportional to `weights` (≥ 0, not all 0), by inversion: the first i at which the
/// running sum exceeds u·Σw, for a uniform u in [0, 1). Never one of weight 0. The sum is taken in double, in order. O(n).
template <class T> TILT_HD index categorical(const T* weights, index n, double u) {
  double total = 0;
  for (index i = 0; i < n; ++i) total += static_cast<double>(weights[i]);
  const double goal = u * total;
  double sum = 0;
  index last = 0;
  for (index i = 0; i < n; ++i) {
    const double w = static_cast<double>(weights[i]);
    if (!(w > 0)) continue;
    last = i;
    sum += w;
    if (sum > goal) break;
  }
  return last;
}

}  // namespace tilt
