// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cmath>
#include <tilt/loss/evaluate.hpp>
#include <tuple>
#include <utility>

namespace tilt {

namespace detail {
template <class... Ls> struct joint_statistic {
  std::tuple<tilt::statistic_of<Ls>...> parts;

  void begin() {
    each([](auto& s) {
      if constexpr (requires { s.begin(); }) s.begin();
    });
  }
  template <class Example> void add(const Example& y) {
    each([&](auto& s) {
      if constexpr (requires { s.add(y); }) s.add(y);
    });
  }
  void finish() {
    each([](auto& s) {
      if constexpr (requires { s.finish(); }) s.finish();
    });
  }
  auto value(index i) const {
    return std::apply([i](const auto&... s) { return std::tuple(detail::value_of(s, i)...); }, parts);
  }

 private:
  template <class F> void each(const F& f) {
    std::apply([&](auto&... s) { (f(s), ...); }, parts);
  }
};
}  // namespace detail

/// A weighted sum of pair losses (mixed preference optimisation, Wang et al. 2024, arXiv 2411.10442, which is sigmoid, bco_pair and sft with
/// weights 0.8, 0.2 and 1): Σ_k w_k·L_k. Rewards are the first loss's.
///   mixture{std::tuple(dpo{}, bco_pair{}, sft{}), {0.8, 0.2, 1}}
template <pair_loss... Ls> struct mixture {
  std::tuple<Ls...> losses = {};
  std::array<double, sizeof...(Ls)> weights = {};

  using statistic = detail::joint_statistic<Ls...>;
  template <class T, class Values> TILT_HD T operator()(const pair_logps<T>& y, const Values& values) const {
    return sum(y, values, std::index_sequence_for<Ls...>{});
  }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return implicit_reward(std::get<0>(losses), y); }
  bool uses_lengths() const {
    return any([](const auto& loss) { return tilt::uses_lengths(loss); });
  }
  bool uses_scores() const {
    return any([](const auto& loss) { return tilt::uses_scores(loss); });
  }
  bool uses_win_probability() const {
    return any([](const auto& loss) { return tilt::uses_win_probability(loss); });
  }
  static constexpr bool reference_free = !(uses_reference<Ls>() || ...);
  static constexpr bool weighable = (takes_weights<Ls>() && ...);
  static constexpr bool whole_responses = !(takes_ld_alpha<Ls>() && ...);

  void check() const {
    (void)any([](const auto& loss) {
      if constexpr (requires { loss.check(); }) loss.check();
      return false;
    });
    double total = 0;
    for (const double w : weights) detail::require_weight("loss_weights", w), total += w;
    detail::require_usable(total > 0, "loss_weights", total,
                           "the weights are all 0, which leaves nothing to learn; give one of them a positive number");
  }

 private:
  template <class F> bool any(const F& f) const {
    return std::apply([&](const auto&... loss) { return (f(loss) || ...); }, losses);
  }
  template <class T, class Values, std::size_t... K>
  TILT_HD T sum(const pair_logps<T>& y, const Values& values, std::index_sequence<K...>) const {
    T total = constant<T>(0);
    ((total = total + constant<T>(weights[K]) * detail::call(std::get<K>(losses), y, std::get<K>(values))), ...);
    return total;
  }
};
template <class... Ls, std::size_t N> mixture(std::tuple<Ls...>, const double (&)[N]) -> mixture<Ls...>;

}  // namespace tilt
