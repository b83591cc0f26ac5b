// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/loss/evaluate_lists.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// LiPO-λ (Liu et al. 2024, arXiv 2402.01878, eq. 12): −Σ_{ψ_i > ψ_j} Δ_ij log σ(β(u_i − u_j)), with LambdaLoss's weights Δ_ij =
/// |2^ψ_i − 2^ψ_j|·|1/log(1 + τ_i) − 1/log(1 + τ_j)|: ψ the judge's scores (the paper's lie in [0, 1]), τ the ranks, from 1, that the policy's
/// own rewards βu give. Confusing responses at the top costs most. No slope goes through τ. Pairs with equal scores weigh nothing; equal
/// rewards, which all are where policy = reference, keep the list's order.
struct lipo {
  double beta = 0.1;  ///< > 0

  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    using std::abs, std::exp;
    const T zero = constant<T>(0), log2 = constant<T>(0.6931471805599453);
    T loss = zero;
    for (index i = 0; i < y.size(); ++i)
      for (index j = 0; j < y.size(); ++j) {
        const T gain = exp(log2 * y[i].score) - exp(log2 * y[j].score);
        const T weight = gain * abs(discount(y, i) - discount(y, j));
        loss =
            loss - select(y[i].score > y[j].score, weight * log_sigmoid(constant<T>(beta) * (y[i].log_ratio() - y[j].log_ratio())), zero);
      }
    return loss;
  }
  bool uses_scores() const { return true; }

  static constexpr std::string_view name = "lipo", formula = "−Σ_{ψ_i>ψ_j} Δ_ij log σ(β(u_i − u_j))",
                                    paper = "Liu et al. 2024, arXiv 2402.01878";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &lipo::beta}); }
  void check() const { detail::require_positive("beta", beta); }

 private:
  /// 1/log(1 + τ_i), the response's place in the order of the policy's rewards.
  template <class List> TILT_HD typename List::number discount(const List& y, index i) const {
    using T = typename List::number;
    using std::log;
    T rank = constant<T>(1);
    for (index k = 0; k < i; ++k) rank = rank + select(y[k].log_ratio() >= y[i].log_ratio(), constant<T>(1), constant<T>(0));
    for (index k = i + 1; k < y.size(); ++k) rank = rank + select(y[k].log_ratio() > y[i].log_ratio(), constant<T>(1), constant<T>(0));
    return constant<T>(1) / log(constant<T>(1) + rank);
  }
};

static_assert(list_loss<lipo> && described_loss<lipo>);

}  // namespace tilt
