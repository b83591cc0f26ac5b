// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <tilt/loss/logps.hpp>
#include <tilt/scalar/dual.hpp>
#include <utility>

namespace tilt {

/// A loss is an aggregate of hyper-parameters and a formula: a call operator, templated over the type of number, that is const,
/// pure, and TILT_HD. Three kinds of example make three kinds of loss: pairs, single labelled responses, ranked lists.
///
/// A loss that needs to know something of the whole batch declares `statistic`, a default-constructible type with add(example), and
/// value(), or value(i) if each example has its own. begin() and finish(), if it has them, are called before and after the batch is
/// added. The value, made of doubles, is the call operator's second argument: detached by its type, since a double has no slope. A
/// statistic that is to last (a running mean, or memory) is kept by the caller of evaluate().
template <class L>
concept has_statistic = requires {
  typename L::statistic;
};

/// A statistic of the labelled examples themselves (BCO's mean reward), not of mismatched responses (KTO's z0).
template <class L>
concept has_own_statistic = has_statistic<L> && requires(typename L::statistic& s, const labelled_logps<double>& y) {
  s.add(y);
};

namespace detail {
struct no_statistic {
  constexpr no_statistic value() const { return {}; }
};
template <class L> struct statistic_of { using type = no_statistic; };
template <has_statistic L> struct statistic_of<L> { using type = typename L::statistic; };

/// What a statistic says of example i.
template <class Statistic> constexpr auto value_of(const Statistic& s, index i) {
  if constexpr (requires { s.value(i); })
    return s.value(i);
  else
    return s.value();
}

/// loss(example) or loss(example, statistic), as the loss wants it.
template <class L, class Example, class Value> TILT_HD constexpr auto call(const L& loss, const Example& y, const Value& statistic) {
  if constexpr (has_statistic<L>)
    return loss(y, statistic);
  else
    return loss(y);
}
}  // namespace detail

/// L's statistic, or an empty one, and what it says of an example.
template <class L> using statistic_of = typename detail::statistic_of<L>::type;
template <class L> using statistic_value = decltype(detail::value_of(std::declval<const statistic_of<L>&>(), index{}));

namespace detail {
template <class L, class Example>
concept formula = (!has_statistic<L> && requires(const L& loss, const Example& y) { loss(y); }) ||
                  (has_statistic<L> && requires(const L& loss, const Example& y, const statistic_value<L>& s) { loss(y, s); });

template <class L, template <class> class Example, class T>
concept formula_over = formula<L, Example<T>> && requires(const L& loss, const Example<T>& y, const statistic_value<L>& s) {
  { call(loss, y, s) } -> std::same_as<T>;
};
}  // namespace detail

/// loss(pair_logps<T>) -> T, for T = double and dual<double, 2> alike.
template <class L>
concept pair_loss = detail::formula_over<L, pair_logps, double> && detail::formula_over<L, pair_logps, dual<double, 2>>;

/// loss(labelled_logps<T>) -> T.
template <class L>
concept labelled_loss = detail::formula_over<L, labelled_logps, double> && detail::formula_over<L, labelled_logps, dual<double, 1>>;

/// loss(list) -> List::number, for whatever has size(), [rank] -> response_logps<number> and number, the best first.
template <class L>
concept list_loss = detail::formula_over<L, ranked_logps, double>;

}  // namespace tilt
