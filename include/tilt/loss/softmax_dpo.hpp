// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate_lists.hpp>
#include <tuple>

namespace tilt {

/// S-DPO (Chen et al. 2024, arXiv 2406.09215, eq. 9): one chosen response, the first, against all rejected ones at once,
/// −log σ(−log Σ_k exp(β(u_k − u⁺))) = log(1 + Σ_k exp(β(u_k − u⁺))), the cross-entropy of a softmax over the K responses. DPO for K = 2; harder
/// negatives have more of the slope. The order of the rejected ones does not matter.
struct softmax_dpo {
  double beta = 0.1;  ///< > 0

  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    using std::exp, std::log;
    const T b = constant<T>(beta);
    T highest = constant<T>(0), sum = constant<T>(0);
    for (index k = 1; k < y.size(); ++k) highest = max(highest, detach(b * (y[k].log_ratio() - y[0].log_ratio())));
    for (index k = 1; k < y.size(); ++k) sum = sum + exp(b * (y[k].log_ratio() - y[0].log_ratio()) - highest);
    return highest + log(sum + exp(-highest));
  }

  static constexpr std::string_view name = "s_dpo", formula = "log(1 + Σ_k exp(β(u_k − u⁺)))", paper = "Chen et al. 2024, arXiv 2406.09215";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &softmax_dpo::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(list_loss<softmax_dpo> && described_loss<softmax_dpo>);

}  // namespace tilt
