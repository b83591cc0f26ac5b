// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/concepts.hpp>
#include <tilt/loss/traits.hpp>

namespace tilt {

namespace detail {
/// A response whose log-probability under the policy is the input of this direction.
template <int N, class T> TILT_HD constexpr response_logps<dual<T, N>> input(const response_logps<T>& y, int direction) {
  return {dual<T, N>::variable(y.policy, direction), y.reference, y.tokens, y.score};
}
}  // namespace detail

/// Loss and derivative of one example, by running the loss's formula on dual numbers: any loss, no derivative written by hand. The
/// slopes are ∂loss/∂log π(y⁺|x) and ∂loss/∂log π(y⁻|x). `statistic` is the batch's.
template <pair_loss L, class T>
TILT_HD dual<T, 2> differentiate(const L& loss, const pair_logps<T>& y, const statistic_value<L>& statistic) {
  using number = dual<T, 2>;
  return detail::call(loss, pair_logps<number>{detail::input<2>(y.chosen, 0), detail::input<2>(y.rejected, 1), y.win_probability},
                      statistic);
}

/// The slope is ∂loss/∂log π(y|x).
template <labelled_loss L, class T>
TILT_HD dual<T, 1> differentiate(const L& loss, const labelled_logps<T>& y, const statistic_value<L>& statistic) {
  return detail::call(loss, labelled_logps<dual<T, 1>>{detail::input<1>(y.response, 0), y.desirable}, statistic);
}

/// For losses without a statistic.
template <class L, class Example>
requires(!has_statistic<L> && (pair_loss<L> || labelled_loss<L>)) TILT_HD auto differentiate(const L& loss, const Example& y) {
  return differentiate(loss, y, statistic_value<L>{});
}

namespace detail {
/// A ranked list in which the policy's log-probabilities of ranks [first, first + N) are the inputs.
template <class List, int N> struct ranked_window {
  using number = dual<typename List::number, N>;
  List list;
  index first;

  TILT_HD constexpr index size() const { return list.size(); }
  TILT_HD constexpr response_logps<number> operator[](index rank) const {
    const response_logps<typename List::number> y = list[rank];
    const index direction = rank - first;
    if (0 <= direction && direction < N) return input<N>(y, static_cast<int>(direction));
    return {y.policy, y.reference, y.tokens, y.score};
  }
};
}  // namespace detail

/// Loss of a ranked list, which is cheap to copy; slopes[rank] = ∂loss/∂log π(y_rank|x). Runs the formula once for every four responses: no
/// memory, and one run for the usual K ≤ 4.
template <list_loss L, class List>
TILT_HD typename List::number differentiate(const L& loss, const List& y, typename List::number* slopes) {
  using T = typename List::number;
  T value = constant<T>(0);
  for (index first = 0; first < y.size(); first += 4) {
    const dual<T, 4> d = loss(detail::ranked_window<List, 4>{y, first});
    value = d.value;
    for (index i = 0; i < 4 && first + i < y.size(); ++i) slopes[first + i] = d.slope[i];
  }
  return value;
}

}  // namespace tilt
