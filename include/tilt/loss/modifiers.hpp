// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string_view>
#include <tilt/loss/evaluate.hpp>
#include <tuple>

namespace tilt {

// What can be done to any pair loss of a kind. Each is a loss again, so that they compose: without_reference<with_target_margin<hinge>>.
// A modifier derives from its loss, whose options stay where they were: soft_labels<dpo>{{.beta = 0.2}}.

namespace detail {
template <const std::string_view& Before, const std::string_view& After> struct joined {
  static constexpr auto text = [] {
    std::array<char, Before.size() + After.size()> both{};
    for (std::size_t i = 0; i < Before.size(); ++i) both[i] = Before[i];
    for (std::size_t i = 0; i < After.size(); ++i) both[Before.size() + i] = After[i];
    return both;
  }();
  static constexpr std::string_view value{text.data(), text.size()};
};
inline constexpr std::string_view reference_free_suffix = "_reference_free", reference_free_remark = ", with π_ref = 1";
}  // namespace detail

/// A loss of log-ratios without a reference: log π takes the place of log π/π_ref. (The uniform model as the reference, up to a
/// constant a token, which cancels in a margin of means and not in one of sums.)
template <pair_loss L>
requires(!has_statistic<L>) struct without_reference : L {
  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const auto alone = [](const response_logps<T>& r) { return response_logps<T>{r.policy, constant<T>(0), r.tokens, r.score}; };
    return L::operator()(pair_logps<T>{alone(y.chosen), alone(y.rejected), y.win_probability});
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return constant<T>(L::beta) * y.policy; }

  static constexpr bool reference_free = true, of_margin = false;
  static constexpr std::string_view name = detail::joined<L::name, detail::reference_free_suffix>::value,
                                    formula = detail::joined<L::formula, detail::reference_free_remark>::value;
};

/// A loss for pairs whose labels hold with probability p (`win_probability`): p·L(y⁺, y⁻) + (1 − p)·L(y⁻, y⁺). With p = 1 − ε
/// everywhere, dpo's label smoothing; with p from a Bradley–Terry model, DPO recovers that model's tilt exactly.
template <pair_loss L>
requires(!has_statistic<L>) struct soft_labels : L {
  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    const T kept = L::operator()(pair_logps<T>{y.chosen, y.rejected}), exchanged = L::operator()(pair_logps<T>{y.rejected, y.chosen});
    return exchanged + y.win_probability * (kept - exchanged);
  }
  bool uses_win_probability() const { return true; }
};

/// A loss of the margin that wants pairs won by γ more: βΔ − γ takes the place of βΔ (IPL, SimPO's γ, with any loss). For losses of means, the
/// margin of means.
template <pair_loss L>
requires(is_of_margin<L>() && !has_statistic<L>) struct with_target_margin : L {
  double target_margin = 0;  ///< γ, in units of the reward

  template <class T> TILT_HD T operator()(const pair_logps<T>& y) const {
    pair_logps<T> moved = y;
    const T shift = constant<T>(target_margin) / constant<T>(L::beta);
    moved.chosen.policy = y.chosen.policy - (uses_lengths(static_cast<const L&>(*this)) ? shift * y.chosen.length() : shift);
    return L::operator()(moved);
  }
  static constexpr auto options() {
    return std::tuple_cat(L::options(), std::tuple(loss_option{"target_margin", &with_target_margin::target_margin}));
  }
  void check() const {
    L::check();
    detail::require_usable(target_margin - target_margin == 0, "target_margin", target_margin, "give a finite number");
  }
};

}  // namespace tilt
