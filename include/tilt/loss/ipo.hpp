// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/square.hpp>
#include <tuple>

namespace tilt {

/// Identity preference optimisation (Azar et al. 2023, arXiv 2310.12036, eq. 17): (Δ − 1/(2β))², which has a finite optimum even for
/// a pair that is always won the same way. Δ is the difference of log-ratios; the paper's are sums over tokens, TRL's (after its
/// authors) means over them, which is the default here.
struct ipo {
  double beta = 0.1;          ///< τ in the paper, > 0
  bool token_average = true;  ///< whether a response's log-ratio is divided by its length

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T target = constant<T>(1) / (constant<T>(2) * constant<T>(beta));
    return square((token_average ? y.chosen.mean_log_ratio() - y.rejected.mean_log_ratio() : y.margin()) - target);
  }
  bool uses_lengths() const { return token_average; }
  static constexpr bool of_margin = true;

  static constexpr std::string_view name = "ipo", formula = "(u⁺/n⁺ − u⁻/n⁻ − 1/(2β))²", paper = "Azar et al. 2023, arXiv 2310.12036";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &ipo::beta}, loss_option{"token_average", &ipo::token_average}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<ipo> && described_loss<ipo>);

}  // namespace tilt
