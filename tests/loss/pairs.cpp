// SPDX-License-Identifier: Apache-2.0
// The pair losses: values and slopes three ways, exact starting values, extreme margins, invariances.
#include <cmath>
#include <limits>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tuple>

#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::close;
using test::tolerance;

namespace {

template <class T> pair_logps<T> pair_of(T chosen, T rejected, T chosen_reference = 0, T rejected_reference = 0, index n = 1, index m = 1) {
  return {{chosen, chosen_reference, n}, {rejected, rejected_reference, m}};
}

struct value_and_slopes {
  long double value, chosen, rejected;
};

/// The formulas as the papers have them, in long double, for moderate margins.
value_and_slopes closed_form(const dpo& loss, const pair_logps<long double>& y) {
  const long double b = loss.beta, e = loss.label_smoothing, h = b * (y.chosen.log_ratio() - y.rejected.log_ratio());
  const long double s = 1 / (1 + std::exp(-h)), slope = -b * ((1 - e) * (1 - s) - e * s);
  return {(1 - e) * std::log1p(std::exp(-h)) + e * std::log1p(std::exp(h)), slope, -slope};
}
value_and_slopes closed_form(const hinge& loss, const pair_logps<long double>& y) {
  const long double b = loss.beta, h = b * (y.chosen.log_ratio() - y.rejected.log_ratio());
  return h < 1 ? value_and_slopes{1 - h, -b, b} : value_and_slopes{0, 0, 0};
}
value_and_slopes closed_form(const ipo& loss, const pair_logps<long double>& y) {
  const long double n = loss.token_average ? static_cast<long double>(y.chosen.tokens) : 1,
                    m = loss.token_average ? static_cast<long double>(y.rejected.tokens) : 1;
  const long double gap = y.chosen.log_ratio() / n - y.rejected.log_ratio() / m - 1 / (2 * static_cast<long double>(loss.beta));
  return {gap * gap, 2 * gap / n, -2 * gap / m};
}

const auto losses = std::tuple(dpo{}, dpo{.beta = 0.5}, dpo{.beta = 2, .label_smoothing = 0.2}, dpo{.label_smoothing = 0.49}, hinge{},
                               hinge{.beta = 1.5}, ipo{}, ipo{.beta = 0.5}, ipo{.beta = 0.3, .token_average = false});
template <class F> void for_each_loss(F f) {
  std::apply([&](const auto&... loss) { (f(loss), ...); }, losses);
}
template <class F> void for_each_pair(F f) {
  for (const double chosen : {-40.25, -12.5, -0.75})
    for (const double rejected : {-38.5, -7.25})
      for (const double drift : {-6.0, 0.0, 0.5, 3.0})
        for (const int tokens : {1, 5, 17}) f(pair_of<double>(chosen, rejected, chosen - drift, rejected + drift / 2, tokens, 18 - tokens));
}
template <class T> pair_logps<T> as(const pair_logps<double>& y) {
  const auto side = [](const response_logps<double>& r) {
    return response_logps<T>{static_cast<T>(r.policy), static_cast<T>(r.reference), r.tokens};
  };
  return {side(y.chosen), side(y.rejected)};
}

}  // namespace

TEMPLATE_TEST_CASE("pair losses: value and slopes are the closed form's", "", float, double, long double) {
  using T = TestType;
  for_each_loss([](const auto& loss) {
    for_each_pair([&](const pair_logps<double>& y) {
      CAPTURE(loss.name, loss.beta, y.chosen.policy, y.chosen.reference, y.rejected.policy, y.rejected.reference, y.chosen.tokens);
      const value_and_slopes exact = closed_form(loss, as<long double>(y));
      const dual<T, 2> d = differentiate(loss, as<T>(y));
      // The inputs are exact in float; scale 1, since values near 0 are differences of numbers of that size.
      CHECK(close(d.value, exact.value, tolerance<T>::value, 1));
      CHECK(close(d.slope[0], exact.chosen, tolerance<T>::gradient, 1));
      CHECK(close(d.slope[1], exact.rejected, tolerance<T>::gradient, 1));
      CHECK(loss(as<T>(y)) == d.value);
    });
  });
}

TEST_CASE("pair losses: slopes are central differences'") {
  for_each_loss([](const auto& loss) {
    for_each_pair([&](const pair_logps<double>& y) {
      CAPTURE(loss.name, loss.beta, y.chosen.policy, y.chosen.reference, y.rejected.policy, y.rejected.reference, y.chosen.tokens);
      const dual<double, 2> d = differentiate(loss, y);
      const auto difference = [&](double response_logps<double>::*member, response_logps<double> pair_logps<double>::*side) {
        const double x = y.*side.*member, h = tolerance<double>::step(x);
        pair_logps<double> up = y, down = y;
        up.*side.*member = x + h;
        down.*side.*member = x - h;
        return (loss(up) - loss(down)) / ((up.*side.*member) - (down.*side.*member));
      };
      // The loss's own size (IPO's is a square of some tens) sets how well a difference can be told.
      const double scale = std::max(1.0, d.value);
      CHECK(close(difference(&response_logps<double>::policy, &pair_logps<double>::chosen), d.slope[0], tolerance<double>::difference(),
                  scale));
      CHECK(close(difference(&response_logps<double>::policy, &pair_logps<double>::rejected), d.slope[1], tolerance<double>::difference(),
                  scale));
    });
  });
}

TEMPLATE_TEST_CASE("pair losses: starting values at policy = reference, to the last bit", "", float, double, long double) {
  using T = TestType;
  const T log2 = std::log(T(2));
  for (const double beta : {0.01, 0.1, 0.3, 2.0}) {
    const auto same = pair_of<T>(T(-37.7L), T(-81.3L), T(-37.7L), T(-81.3L), 9, 20);
    const dual<T, 2> d = differentiate(dpo{.beta = beta}, same);
    CHECK(d.value == log2);
    CHECK(d.slope[0] == -static_cast<T>(beta) / 2);
    CHECK(d.slope[1] == static_cast<T>(beta) / 2);
    CHECK(close(dpo{.beta = beta, .label_smoothing = 0.3}(same), log2, tolerance<T>::eps));

    CHECK(hinge{.beta = beta}(same) == 1);
    CHECK(differentiate(hinge{.beta = beta}, same).slope[0] == -static_cast<T>(beta));

    const T target = 1 / (2 * static_cast<T>(beta));  // 1/(4β²) as the square of one rounded number
    CHECK(ipo{.beta = beta}(same) == target * target);
    CHECK(ipo{.beta = beta, .token_average = false}(same) == target * target);
    CHECK(differentiate(ipo{.beta = beta, .token_average = false}, same).slope[1] == 2 * target);
  }
  CHECK(ipo{.beta = 0.125}(pair_of<T>(-1, -2, -1, -2)) == 16);
}

TEMPLATE_TEST_CASE("pair losses: extreme margins stay finite and point the right way", "", float, double, long double) {
  using T = TestType;
  for_each_loss([](const auto& loss) {
    const T step = static_cast<T>(1e4 / loss.beta);
    for (const T margin : {step, -step, T(1e4L), T(-1e4L), T(100), T(-100)}) {
      CAPTURE(loss.name, loss.beta, margin);
      const dual<T, 2> d = differentiate(loss, pair_of<T>(margin / 2, -margin / 2));
      CHECK((std::isfinite(d.value) && std::isfinite(d.slope[0]) && std::isfinite(d.slope[1])));
      CHECK(d.value >= 0);
      CHECK(d.slope[0] == -d.slope[1]);
      if (margin < 0) CHECK(d.slope[0] < 0);  // losing pairs are always pulled up
    }
  });
  const dual<T, 2> won = differentiate(dpo{.beta = 1}, pair_of<T>(T(1e4L), T(-1e4L)));
  const dual<T, 2> lost = differentiate(dpo{.beta = 1}, pair_of<T>(T(-1e4L), T(1e4L)));
  CHECK(won.value == std::log1p(std::exp(T(-2e4L))));  // 0 but in long double, which can tell
  CHECK(won.slope[0] <= 0);
  CHECK(lost.value == T(2e4L));
  CHECK(lost.slope[0] == -1);
  CHECK(differentiate(hinge{.beta = 1}, pair_of<T>(T(1e4L), 0)).slope[0] == 0);
  CHECK(differentiate(hinge{.beta = 1}, pair_of<T>(1, 0)).slope[0] == 0);  // at the corner: won
  // Won or lost without end: no NaN, since without smoothing its term is not there.
  const T infinity = std::numeric_limits<T>::infinity();
  const dual<T, 2> certain = differentiate(dpo{.beta = 1}, pair_of<T>(0, 0, -infinity, 0)),
                   hopeless = differentiate(dpo{.beta = 1}, pair_of<T>(0, 0, infinity, 0));
  CHECK((certain.value == 0 && certain.slope[0] == 0 && certain.slope[1] == 0));
  CHECK((hopeless.value == infinity && hopeless.slope[0] == -1 && hopeless.slope[1] == 1));
  // Smoothed labels and IPO push an overshooting pair back.
  CHECK(differentiate(dpo{.beta = 1, .label_smoothing = 0.1}, pair_of<T>(T(1e4L), 0)).slope[0] == constant<T>(0.1));
  CHECK(differentiate(ipo{}, pair_of<T>(T(1e4L), 0)).slope[0] > 0);
}

TEST_CASE("pair losses: invariances") {
  for_each_pair([](const pair_logps<double>& y) {
    for_each_loss([&](const auto& loss) {
      CAPTURE(loss.name, y.chosen.policy, y.rejected.policy);
      // A response's own offset, common to policy and reference, says nothing. The numbers are dyadic, so that no rounding interferes.
      pair_logps<double> moved = y;
      moved.chosen.policy += 8, moved.chosen.reference += 8;
      moved.rejected.policy -= 16, moved.rejected.reference -= 16;
      CHECK(loss(moved) == loss(y));
    });
    // What the policy shifts for a whole prompt cancels, unless tokens are averaged.
    pair_logps<double> shifted = y;
    shifted.chosen.policy += 4, shifted.rejected.policy += 4;
    CHECK(dpo{}(shifted) == dpo{}(y));
    CHECK(hinge{}(shifted) == hinge{}(y));
    CHECK(ipo{.token_average = false}(shifted) == ipo{.token_average = false}(y));
    if (y.chosen.tokens != y.rejected.tokens) CHECK_FALSE(ipo{}(shifted) == ipo{}(y));
    // Lengths matter to nothing but averages.
    pair_logps<double> longer = y;
    longer.chosen.tokens = 100;
    CHECK(dpo{}(longer) == dpo{}(y));
    CHECK_FALSE((ipo{}(longer) == ipo{}(y)) == (y.chosen.log_ratio() != 0));
    // Exchanging the responses exchanges the labels: cDPO's loss is the mixture of both orders.
    const pair_logps<double> reversed{y.rejected, y.chosen};
    const dpo smooth{.label_smoothing = 0.25};
    CHECK(close(smooth(y), 0.75 * dpo{}(y) + 0.25 * dpo{}(reversed), tolerance<double>::value));
    // A binary cross-entropy on the margin, label 1.
    const double h = 0.1 * (y.chosen.log_ratio() - y.rejected.log_ratio());
    CHECK(close(dpo{}(y), -std::log(1 / (1 + std::exp(-h))), tolerance<double>::value, 1));
  });
  // An empty response counts as one token long.
  CHECK(ipo{}(pair_of<double>(0, -1, 0, -2, 0, 1)) == ipo{}(pair_of<double>(0, -1, 0, -2, 1, 1)));
}

TEST_CASE("pair losses take the least that is a number") {
  using test::four;
  using test::real;
  for_each_loss([](const auto& loss) {
    const auto y = pair_of<double>(-1.5, -2, -1.75, -1, 3, 4);
    const auto boxed = [](const response_logps<double>& r) { return response_logps<real>{real(r.policy), real(r.reference), r.tokens}; };
    const dual<real, 2> d = differentiate(loss, pair_logps<real>{boxed(y.chosen), boxed(y.rejected)});
    const dual<double, 2> expected = differentiate(loss, y);
    CHECK(d.value.number() == expected.value);
    CHECK(d.slope[0].number() == expected.slope[0]);
    CHECK(d.slope[1].number() == expected.slope[1]);
    // Four pairs at once.
    const auto packed = [](const response_logps<double>& r) { return response_logps<four<double>>{r.policy, r.reference, r.tokens}; };
    double lane[4];
    differentiate(loss, pair_logps<four<double>>{packed(y.chosen), packed(y.rejected)}).slope[1].store(lane);
    for (const double x : lane) CHECK(x == expected.slope[1]);
  });
}

static_assert(pair_loss<dpo> && pair_loss<hinge> && pair_loss<ipo>);
static_assert(!labelled_loss<dpo> && !list_loss<dpo> && !has_statistic<dpo>);
namespace {
struct float_only {
  float operator()(const pair_logps<float>& y) const { return y.chosen.policy; }
};
struct no_formula {
  double beta = 0.1;
};
struct not_const {
  template <class T> T operator()(const pair_logps<T>& y) { return y.chosen.policy; }
};
struct wrong_result {
  template <class T> double operator()(const pair_logps<T>&) const { return 0; }
};
}  // namespace
static_assert(!pair_loss<float_only> && !pair_loss<no_formula> && !pair_loss<not_const> && !pair_loss<wrong_result>);
