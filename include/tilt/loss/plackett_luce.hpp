// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate_lists.hpp>
#include <tuple>

namespace tilt {

/// DPO for rankings of K responses under the Plackett–Luce model (Rafailov et al. 2023, arXiv 2305.18290, app. A.3, eq. 20): the ranking is a
/// sequence of choices of the best of what is left, −Σ_k log [exp(βu_k) / Σ_{j ≥ k} exp(βu_j)]. DPO for K = 2. Slope of y_i: β(the probability that
/// the model gives it in each choice it was part of, summed, less 1 if it was chosen before the last).
struct plackett_luce {
  double beta = 0.1;  ///< > 0

  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    using std::exp, std::log;
    const T b = constant<T>(beta);
    T loss = constant<T>(0), highest = b * y[y.size() - 1].log_ratio(), sum = constant<T>(1);  // Σ = exp(highest)·sum over those left
    for (index k = y.size() - 2; k >= 0; --k) {
      const T reward = b * y[k].log_ratio(), above = max(detach(highest), detach(reward));
      sum = sum * exp(highest - above) + exp(reward - above);
      highest = above;
      loss = loss + (log(sum) + highest - reward);
    }
    return loss;
  }

  static constexpr std::string_view name = "plackett_luce", formula = "−Σ_k log [exp(βu_k)/Σ_{j≥k} exp(βu_j)]",
                                    paper = "Rafailov et al. 2023, arXiv 2305.18290";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &plackett_luce::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(list_loss<plackett_luce> && described_loss<plackett_luce>);

}  // namespace tilt
