// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <tilt/scalar/config.hpp>

namespace tilt {

/// LD-DPO (Liu et al. 2024, arXiv 2409.06411, eq. 9): a response's log-probability with tokens beyond the `shared` first ones, the length of
/// the shorter response of its pair, weighed by α: Σ_{t<shared} log π(y_t) + α·Σ_{t≥shared} log π(y_t). α = 1 is the plain sum. Policy and
/// reference alike. Slope of token t: that of the sum, times length_desensitised_weight.
constexpr double length_desensitised_weight(index t, index shared, double alpha) { return t < shared ? 1 : alpha; }

template <class T> double length_desensitised_sum(std::span<const T> token_logps, index shared, double alpha) {
  double first = 0, beyond = 0;
  for (index t = 0; t < static_cast<index>(token_logps.size()); ++t)
    (t < shared ? first : beyond) += static_cast<double>(token_logps[static_cast<std::size_t>(t)]);
  return alpha == 0 ? first : first + alpha * beyond;
}

}  // namespace tilt
