// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <span>
#include <tilt/loss/evaluate.hpp>
#include <vector>

#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace tilt::test {

// What every pair loss is put through: value and slopes against its closed form, slopes against central differences, extreme margins, the
// least type that is a number. A loss brings its closed form, in long double, and the signs of its slopes far out.

struct value_and_slopes {
  long double value, chosen, rejected;
};

/// Signs of the slopes in log π(y⁺|x) and log π(y⁻|x) where the pair is lost and won by far: −1, 1, or 0 for slopes that have faded.
struct far_signs {
  int chosen_lost, rejected_lost, chosen_won, rejected_won;
};

template <class T> pair_logps<T> pair_as(const pair_logps<double>& y) {
  const auto side = [](const response_logps<double>& r) {
    return response_logps<T>{static_cast<T>(r.policy), static_cast<T>(r.reference), r.tokens, static_cast<T>(r.score)};
  };
  return {side(y.chosen), side(y.rejected), static_cast<T>(y.win_probability)};
}

/// Pairs of moderate margins, exact in float: both log-ratios above, at and below 0, lengths equal and not.
template <class F> void for_each_pair(const F& f) {
  for (const double chosen : {-40.25, -12.5, -0.75})
    for (const double rejected : {-38.5, -7.25})
      for (const double drift : {-6.0, -0.25, 0.0, 0.5, 3.0})
        for (const int tokens : {1, 9, 17})
          f(pair_logps<double>{{chosen, chosen - drift, tokens, drift / 2}, {rejected, rejected + drift / 2, 18 - tokens, 0.125}, 0.75});
}

template <class T, class L> dual<T, 2> value_and_duals(const L& loss, const pair_logps<double>& y, const statistic_value<L>& s) {
  return differentiate(loss, pair_as<T>(y), s);
}

/// `closed(pair)` gives the formula's value and slopes as the paper has them.
template <class T, class L, class Closed>
void agrees_with_closed_form(const L& loss, const Closed& closed, const statistic_value<L>& s = {}) {
  for_each_pair([&](const pair_logps<double>& y) {
    CAPTURE(y.chosen.policy, y.chosen.reference, y.rejected.policy, y.rejected.reference, y.chosen.tokens);
    const value_and_slopes exact = closed(pair_as<long double>(y));
    const dual<T, 2> d = value_and_duals<T>(loss, y, s);
    // The inputs are exact in float; scale 1 at least, since small values are differences of numbers of that size. Formulas of a dozen
    // operations: four times the usual.
    const long double scale = std::max(1.0L, std::abs(exact.value));
    CHECK(close(d.value, exact.value, 4 * tolerance<T>::value, scale));
    CHECK(close(d.slope[0], exact.chosen, 4 * tolerance<T>::gradient, scale));
    CHECK(close(d.slope[1], exact.rejected, 4 * tolerance<T>::gradient, scale));
  });
}

/// But for pairs at a kink, which `at_kink(pair)` names.
template <class L, class AtKink> void agrees_with_differences(const L& loss, const statistic_value<L>& s, const AtKink& at_kink) {
  for_each_pair([&](const pair_logps<double>& y) {
    if (at_kink(y)) return;
    CAPTURE(y.chosen.policy, y.chosen.reference, y.rejected.policy, y.rejected.reference, y.chosen.tokens);
    const dual<double, 2> d = differentiate(loss, y, s);
    CHECK(detail::call(loss, y, s) == d.value);
    const auto difference = [&](response_logps<double> pair_logps<double>::*side) {
      const double x = (y.*side).policy, h = tolerance<double>::step(x);
      pair_logps<double> up = y, down = y;
      (up.*side).policy = x + h;
      (down.*side).policy = x - h;
      return (detail::call(loss, up, s) - detail::call(loss, down, s)) / ((up.*side).policy - (down.*side).policy);
    };
    const double scale = std::max(1.0, std::abs(d.value));
    CHECK(close(difference(&pair_logps<double>::chosen), d.slope[0], tolerance<double>::difference(), scale));
    CHECK(close(difference(&pair_logps<double>::rejected), d.slope[1], tolerance<double>::difference(), scale));
  });
}

/// At margins of ±10⁴ and ±10⁴/β.
template <class T, class L>
void is_finite_at_extremes(const L& loss, const far_signs& signs, double beta, const statistic_value<L>& s = {}) {
  for (const double size : {1e4, 1e4 / beta})
    for (const bool won : {false, true}) {
      CAPTURE(size, won);
      const T m = static_cast<T>(won ? size : -size);
      const dual<T, 2> d = differentiate(loss, pair_logps<T>{{m / 2, 0, 7, 1}, {-m / 2, 0, 7, 0}}, s);
      CHECK(std::isfinite(d.value));
      const auto is = [](T slope, int sign) {
        return sign == 0 ? std::abs(slope) < T(1e-30L) : std::isfinite(slope) && (sign > 0 ? slope > 0 : slope < 0);
      };
      CAPTURE(d.value, d.slope[0], d.slope[1]);
      CHECK(is(d.slope[0], won ? signs.chosen_won : signs.chosen_lost));
      CHECK(is(d.slope[1], won ? signs.rejected_won : signs.rejected_lost));
    }
}

template <class L> void takes_any_number(const L& loss, const statistic_value<L>& s = {}) {
  const pair_logps<double> y{{-1.5, -1.75, 3, 2}, {-2, -1, 4, 1}, 0.75};
  const auto boxed = [](const response_logps<double>& r) {
    return response_logps<real>{real(r.policy), real(r.reference), r.tokens, real(r.score)};
  };
  const dual<real, 2> d = differentiate(loss, pair_logps<real>{boxed(y.chosen), boxed(y.rejected), real(y.win_probability)}, s);
  const dual<double, 2> expected = differentiate(loss, y, s);
  CHECK(d.value.number() == expected.value);
  CHECK(d.slope[0].number() == expected.slope[0]);
  CHECK(d.slope[1].number() == expected.slope[1]);
  const auto packed = [](const response_logps<double>& r) {
    return response_logps<four<double>>{r.policy, r.reference, r.tokens, r.score};
  };
  double lane[4];
  differentiate(loss, pair_logps<four<double>>{packed(y.chosen), packed(y.rejected), y.win_probability}, s).slope[1].store(lane);
  for (const double x : lane) CHECK(x == expected.slope[1]);
}

inline bool no_kink(const pair_logps<double>&) { return false; }

template <class L, class Closed, class AtKink = bool (*)(const pair_logps<double>&)>
void check_pair_loss(const L& loss, const far_signs& signs, double beta, const Closed& closed, const AtKink& at_kink = no_kink,
                     const statistic_value<L>& s = {}) {
  INFO("loss " << L::name);
  agrees_with_closed_form<float>(loss, closed, s);
  agrees_with_closed_form<double>(loss, closed, s);
  agrees_with_differences(loss, s, at_kink);
  is_finite_at_extremes<float>(loss, signs, beta, s);
  is_finite_at_extremes<double>(loss, signs, beta, s);
  takes_any_number(loss, s);
}

// Elementary functions as the closed forms use them, for moderate arguments.
inline long double sigma(long double x) { return 1 / (1 + std::exp(-x)); }
inline long double minus_log_sigma(long double x) { return x < -1000 ? -x : std::log1p(std::exp(-x)); }

}  // namespace tilt::test
