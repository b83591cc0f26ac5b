// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/concepts.hpp>

namespace tilt {

/// Loss and derivative of one example, by running the loss's formula on dual numbers: any loss, no derivative written by hand. The
/// slopes are ∂loss/∂log π(y⁺|x) and ∂loss/∂log π(y⁻|x). `statistic` is the batch's.
template <pair_loss L, class T>
TILT_HD dual<T, 2> differentiate(const L& loss, const pair_logps<T>& y, const statistic_value<L>& statistic) {
  using number = dual<T, 2>;
  return detail::call(loss,
                      pair_logps<number>{{number::variable(y.chosen.policy, 0), y.chosen.reference, y.chosen.tokens},
                                         {number::variable(y.rejected.policy, 1), y.rejected.reference, y.rejected.tokens}},
                      statistic);
}

/// The slope is ∂loss/∂log π(y|x).
template <labelled_loss L, class T>
TILT_HD dual<T, 1> differentiate(const L& loss, const labelled_logps<T>& y, const statistic_value<L>& statistic) {
  using number = dual<T, 1>;
  return detail::call(
      loss, labelled_logps<number>{{number::variable(y.response.policy, 0), y.response.reference, y.response.tokens}, y.desirable},
      statistic);
}

/// For losses without a statistic.
template <class L, class Example>
requires(!has_statistic<L> && (pair_loss<L> || labelled_loss<L>))
TILT_HD auto differentiate(const L& loss, const Example& y) {
  return differentiate(loss, y, statistic_value<L>{});
}

namespace detail {
/// A ranked list in which the policy's log-probabilities of ranks [first, first + N) are the inputs.
template <class T, int N> struct ranked_window {
  using number = dual<T, N>;
  ranked_logps<T> list;
  index first;

  TILT_HD constexpr index size() const { return list.size(); }
  TILT_HD constexpr response_logps<number> operator[](index rank) const {
    const response_logps<T>& y = list[rank];
    const index direction = rank - first;
    const bool input = 0 <= direction && direction < N;
    return {input ? number::variable(y.policy, static_cast<int>(direction)) : number(y.policy), y.reference, y.tokens};
  }
};
}  // namespace detail

/// Loss of a ranked list; slopes[rank] = ∂loss/∂log π(y_rank|x). Runs the formula once for every four responses: no memory, and one
/// run for the usual K ≤ 4.
template <list_loss L, class T> TILT_HD T differentiate(const L& loss, const ranked_logps<T>& y, T* slopes) {
  T value = constant<T>(0);
  for (index first = 0; first < y.size(); first += 4) {
    const dual<T, 4> d = loss(detail::ranked_window<T, 4>{y, first});
    value = d.value;
    for (index i = 0; i < 4 && first + i < y.size(); ++i) slopes[first + i] = d.slope[i];
  }
  return value;
}

/// The reward that the policy itself stands for (Rafailov et al. 2023, arXiv 2305.18290, §4), β·log π(y|x)/π_ref(y|x), up to a term of
/// the prompt; or the loss's own reward(y), if it defines one.
template <class L, class T> TILT_HD T implicit_reward(const L& loss, const response_logps<T>& y) {
  if constexpr (requires { loss.reward(y); })
    return loss.reward(y);
  else
    return constant<T>(loss.beta) * y.log_ratio();
}

/// Whether L compares with a reference. A loss that does not says `static constexpr bool reference_free = true`.
template <class L> constexpr bool uses_reference() {
  if constexpr (requires { L::reference_free; })
    return !L::reference_free;
  else
    return true;
}

/// Whether the formula, with these hyper-parameters, reads the responses' lengths. A loss that may says so with uses_lengths().
template <class L> constexpr bool uses_lengths(const L& loss) {
  if constexpr (requires { loss.uses_lengths(); })
    return loss.uses_lengths();
  else
    return false;
}

}  // namespace tilt
