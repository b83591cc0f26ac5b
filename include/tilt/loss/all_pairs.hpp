// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate_lists.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// DPO on all K(K − 1)/2 pairs of a ranking, as a mean (RRHF's and InstructGPT's way with rankings, Ouyang et al. 2022, arXiv 2203.02155, eq. 1):
/// −mean_{i<j} log σ(β(u_i − u_j)). A ranking counts once, however long it is.
struct all_pairs {
  double beta = 0.1;  ///< > 0

  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    T loss = constant<T>(0);
    for (index i = 0; i < y.size(); ++i)
      for (index j = i + 1; j < y.size(); ++j) loss = loss - log_sigmoid(constant<T>(beta) * (y[i].log_ratio() - y[j].log_ratio()));
    return loss / constant<T>(static_cast<double>(y.size() * (y.size() - 1) / 2));
  }

  static constexpr std::string_view name = "all_pairs", formula = "−mean_{i<j} log σ(β(u_i − u_j))",
                                    paper = "Ouyang et al. 2022, arXiv 2203.02155";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &all_pairs::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(list_loss<all_pairs> && described_loss<all_pairs>);

}  // namespace tilt
