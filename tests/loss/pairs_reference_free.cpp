// SPDX-License-Identifier: Apache-2.0
// Losses without a reference: value and slopes three ways, and far out.
#include <tilt/loss/cpo.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/modifiers.hpp>
#include <tilt/loss/orpo.hpp>
#include <tilt/loss/simpo.hpp>
#include <tilt/loss/slic.hpp>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;
using real_pair = pair_logps<long double>;

static_assert(!uses_reference<cpo>() && !uses_reference<simpo>() && !uses_reference<alphapo>() && !uses_reference<orpo>() &&
              !uses_reference<slic>());
static_assert(!uses_reference<without_reference<dpo>>() && !uses_reference<without_reference<hinge>>() && uses_reference<dpo>());

namespace {
long double length_of(const response_logps<long double>& y) { return static_cast<long double>(y.tokens); }
}  // namespace

TEST_CASE("cpo") {
  for (const double alpha : {0.0, 1.0, 0.5}) {
    const long double b = 0.5, a = alpha, length = 8;
    // The likelihood pulls the chosen response up for ever.
    check_pair_loss(
        cpo{.beta = 0.5, .cpo_alpha = alpha}, {-1, 1, alpha > 0 ? -1 : 0, 0}, 0.5,
        [=](const real_pair& y) {
          const long double m = b * (y.chosen.policy - y.rejected.policy);
          return value_and_slopes{minus_log_sigma(m) - a * y.chosen.policy / length, -b * sigma(-m) - a / length, b * sigma(-m)};
        },
        no_kink, 8);
  }
  const cpo smooth{.beta = 0.5, .label_smoothing = 0.25, .cpo_alpha = 0};
  const pair_logps<double> y{{-3, -1}, {-5, -2}};
  CHECK(close(smooth(y, 1), 0.75L * minus_log_sigma(1) + 0.25L * minus_log_sigma(-1), tolerance<double>::value));
}

TEST_CASE("simpo") {
  for (const double smoothing : {0.0, 0.25}) {
    const long double b = 2, e = smoothing;
    check_pair_loss(simpo{.label_smoothing = smoothing}, {-1, 1, smoothing > 0 ? 1 : 0, smoothing > 0 ? -1 : 0}, 2,
                    [=](const real_pair& y) {
                      const long double m = b * (y.chosen.policy / length_of(y.chosen) - y.rejected.policy / length_of(y.rejected)) - 0.5L;
                      const long double slope = -b * ((1 - e) * sigma(-m) - e * sigma(m));
                      return value_and_slopes{(1 - e) * minus_log_sigma(m) + e * minus_log_sigma(-m), slope / length_of(y.chosen),
                                              -slope / length_of(y.rejected)};
                    });
  }
}

TEST_CASE("alphapo") {
  for (const double alpha : {0.25, -0.25, 0.1}) {
    const alphapo loss{.beta = 0.5, .alpha = alpha};
    const auto closed = [=](const real_pair& y) {
      const long double b = 0.5, a = alpha, p = std::exp(-a * y.chosen.policy / length_of(y.chosen)),
                        q = std::exp(-a * y.rejected.policy / length_of(y.rejected));
      const long double m = b * ((1 - p) / a - (1 - q) / a) - 0.5L;
      return value_and_slopes{minus_log_sigma(m), -b * sigma(-m) * p / length_of(y.chosen), b * sigma(-m) * q / length_of(y.rejected)};
    };
    // Rewards reach e^10 here, so that the exponential's own error is some e^10 ulps where α > 0: compared in double, four more digits apart.
    for_each_pair([&](const pair_logps<double>& y) {
      const value_and_slopes exact = closed(pair_as<long double>(y));
      const dual<double, 2> d = differentiate(loss, y);
      CHECK(close(d.value, exact.value, 1e4 * tolerance<double>::value, std::max(1.0L, exact.value)));
      CHECK(close(d.slope[0], exact.chosen, 1e4 * tolerance<double>::gradient, std::max(1.0L, std::abs(exact.chosen))));
      CHECK(close(d.slope[1], exact.rejected, 1e4 * tolerance<double>::gradient, std::max(1.0L, std::abs(exact.rejected))));
    });
    takes_any_number(loss);
  }
  // Its limit at α = 0 is SimPO; and it overflows where it says so, to a loss of infinity and not to NaN.
  const pair_logps<double> y{{-9, 0, 4}, {-12, 0, 5}};
  CHECK(close(alphapo{.alpha = 1e-7}(y), simpo{}(y), 1e-5));
  CHECK(std::isinf(alphapo{.beta = 1, .alpha = 0.25}(pair_logps<double>{{-1e4, 0}, {-1, 0}})));
  CHECK(std::isfinite(alphapo{.beta = 1, .alpha = 0.25}(pair_logps<double>{{-2500, 0}, {-1, 0}})));
}

TEST_CASE("orpo") {
  for (const double weight : {0.0, 1.0}) {
    const orpo loss{.beta = 0.25, .nll_weight = weight};
    const auto closed = [=](const real_pair& y) {
      const long double b = 0.25, c = y.chosen.policy / length_of(y.chosen), r = y.rejected.policy / length_of(y.rejected);
      const auto log_odds = [](long double l) { return l - std::log(-std::expm1(l)); };
      const long double m = log_odds(c) - log_odds(r);
      // d log odds / dl = 1 + p/(1 − p) = 1/(1 − p)
      return value_and_slopes{b * minus_log_sigma(m) - weight * y.chosen.policy / 8,
                              b * sigma(-m) / std::expm1(c) / length_of(y.chosen) - weight / 8,
                              -b * sigma(-m) / std::expm1(r) / length_of(y.rejected)};
    };
    agrees_with_closed_form<double>(loss, closed, 8);
    agrees_with_closed_form<float>(loss, closed, 8);
    agrees_with_differences(loss, 8, no_kink);
    takes_any_number(loss, 8);
    // A log-probability is at most 0; one of 0, where the odds are infinite, is still finite, and so is what lies far below.
    for (const double chosen : {-1e4, -1e-3, -1e-20, 0.0})
      for (const double rejected : {-1e4, -1e-3, -1e-20, 0.0}) {
        CAPTURE(chosen, rejected, weight);
        const dual<double, 2> d = differentiate(loss, pair_logps<double>{{chosen, 0, 3}, {rejected, 0, 4}}, 8);
        CHECK((std::isfinite(d.value) && std::isfinite(d.slope[0]) && std::isfinite(d.slope[1])));
        CHECK((d.slope[0] <= 0 && d.slope[1] >= 0));
        const dual<float, 2> f = differentiate(loss, pair_as<float>({{chosen, 0, 3}, {rejected, 0, 4}}), 8);
        CHECK((std::isfinite(f.value) && std::isfinite(f.slope[0]) && std::isfinite(f.slope[1])));
      }
  }
}

TEST_CASE("slic") {
  const slic loss{.slic_delta = 2, .slic_lambda = 0.25};
  const auto kink = [](const pair_logps<double>& y) { return y.chosen.policy - y.rejected.policy == 2; };
  check_pair_loss(
      loss, {-1, 1, -1, 0}, 1,
      [](const real_pair& y) {
        const long double gap = y.chosen.policy - y.rejected.policy;
        return value_and_slopes{std::max(0.0L, 2 - gap) - 0.25L * y.chosen.policy, (gap < 2 ? -1.25L : -0.25L), gap < 2 ? 1.0L : 0.0L};
      },
      kink);
}

TEST_CASE("losses without their reference") {
  const auto free = [](const auto& with, const auto& without) {
    for_each_pair([&](const pair_logps<double>& y) {
      pair_logps<double> none = y;
      none.chosen.reference = none.rejected.reference = 0;
      CHECK(without(y) == with(none));
      CHECK(without.reward(y.chosen) == with.beta * y.chosen.policy);
    });
    takes_any_number(without);
  };
  free(dpo{.beta = 0.5}, without_reference<dpo>{{.beta = 0.5}});
  free(hinge{.beta = 0.5}, without_reference<hinge>{{.beta = 0.5}});
  free(ipo{.beta = 0.5}, without_reference<ipo>{{.beta = 0.5}});
  CHECK(without_reference<dpo>::name == "sigmoid_reference_free");
  CHECK(option_names<without_reference<dpo>>() == option_names<dpo>());
}
