// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/square.hpp>
#include <tuple>

namespace tilt {

/// Self-play preference optimisation (Wu et al. 2024, arXiv 2405.00675, eq. 4.7), with η = 1/β: (u⁺ − (p − ½)/β)² + (u⁻ + (p − ½)/β)², which
/// pulls each response's log-ratio to what one step of multiplicative weights would give it, p the pair's win probability. A pair of equals
/// (p = ½) is pulled back to the reference.
struct sppo {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T target = (y.win_probability - constant<T>(0.5)) / constant<T>(beta);
    return square(y.chosen.log_ratio() - target) + square(y.rejected.log_ratio() + target);
  }
  bool uses_win_probability() const { return true; }

  static constexpr std::string_view name = "sppo", formula = "(u⁺ − (p − ½)/β)² + (u⁻ + (p − ½)/β)²",
                                    paper = "Wu et al. 2024, arXiv 2405.00675";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &sppo::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

/// The same with p = 1 for every pair: (u⁺ − 1/(2β))² + (u⁻ + 1/(2β))².
struct sppo_hard {
  double beta = 0.1;  ///< > 0

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T target = constant<T>(0.5) / constant<T>(beta);
    return square(y.chosen.log_ratio() - target) + square(y.rejected.log_ratio() + target);
  }

  static constexpr std::string_view name = "sppo_hard", formula = "(u⁺ − 1/(2β))² + (u⁻ + 1/(2β))²",
                                    paper = "Wu et al. 2024, arXiv 2405.00675";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &sppo_hard::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<sppo> && described_loss<sppo> && pair_loss<sppo_hard> && described_loss<sppo_hard>);

}  // namespace tilt
