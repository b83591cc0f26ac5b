// SPDX-License-Identifier: Apache-2.0
// Single responses beside KTO: apo_zero_unpaired, and bco with its running mean.
#include <cmath>
#include <limits>
#include <tilt/loss/apo_zero_unpaired.hpp>
#include <tilt/loss/bco.hpp>
#include <tilt/loss/kto.hpp>
#include <vector>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;

static_assert(!has_statistic<apo_zero_unpaired> && has_own_statistic<bco> && !has_own_statistic<kto>);

namespace {
labelled_logps<double> single(double policy, double reference, bool desirable) { return {{policy, reference, 3}, desirable}; }

template <class L, class Closed> void check_labelled(const L& loss, const Closed& closed, const statistic_value<L>& s = {}) {
  for (const double ratio : {-20.0, -2.0, 0.0, 0.25, 3.0, 40.0})
    for (const bool desirable : {true, false}) {
      CAPTURE(L::name, ratio, desirable);
      const auto [value, slope] = closed(static_cast<long double>(ratio), desirable);
      const auto y = single(ratio - 50, -50, desirable);
      const dual<double, 1> d = differentiate(loss, y, s);
      CHECK(close(d.value, value, tolerance<double>::value, 1));
      CHECK(close(d.slope[0], slope, tolerance<double>::gradient, 1));
      const double x = y.response.policy, h = tolerance<double>::step(x);
      const double up = detail::call(loss, single(x + h, -50, desirable), s), down = detail::call(loss, single(x - h, -50, desirable), s);
      CHECK(close((up - down) / (2 * h), d.slope[0], tolerance<double>::difference(), std::max(1.0, d.value)));
    }
  for (const double ratio : {1e4, -1e4, 1e5, -1e5})
    for (const bool desirable : {true, false}) {
      const dual<double, 1> d = differentiate(loss, single(ratio, 0, desirable), s);
      CHECK((std::isfinite(d.value) && std::isfinite(d.slope[0])));
      CHECK((desirable ? d.slope[0] <= 0 : d.slope[0] >= 0));
    }
}
}  // namespace

TEST_CASE("apo_zero_unpaired") {
  check_labelled(apo_zero_unpaired{.beta = 0.5}, [](long double u, bool good) {
    const long double s = sigma(-0.5L * u), slope = 0.5L * s * (1 - s);
    return good ? std::pair(s, -slope) : std::pair(1 - s, slope);
  });
  // KTO without a reference point, its weights 1.
  CHECK(apo_zero_unpaired{.beta = 0.3}(single(-5, -7, true)) == kto{.beta = 0.3}(single(-5, -7, true), 0));
  // A desirable and an undesirable response are apo_zero's pair.
  const double p[] = {-5, -6}, r[] = {-7, -6.5};
  const int label[] = {1, 0};
  const response_metrics m =
      evaluate(apo_zero_unpaired{.beta = 0.3}, response_batch<double>{.policy = p, .reference = r, .desirable = label});
  CHECK(close(2 * m.loss, sigma(-0.6L) + sigma(0.15L), tolerance<double>::value));
  CHECK(std::isnan(m.kl));
}

TEST_CASE("bco") {
  check_labelled(bco{.beta = 0.5},
                 [](long double u, bool good) {
                   const long double x = 0.5L * (u - 1.5L);
                   return good ? std::pair(minus_log_sigma(x), -0.5L * sigma(-x)) : std::pair(minus_log_sigma(-x), 0.5L * sigma(x));
                 },
                 {1.5});
}

TEST_CASE("bco: the shift is a running mean over batches") {
  running_log_ratio shift;
  CHECK(shift.value().log_ratio == 0);  // before the first
  const auto batch = [&](std::initializer_list<double> ratios) {
    shift.begin();
    for (const double u : ratios) shift.add(single(u - 3, -3, u > 0));
    shift.finish();
    return shift.value().log_ratio;
  };
  CHECK(batch({1, 3}) == 2);
  CHECK(batch({-1, -1, -1, -1}) == 0.5);  // batches count alike, whatever their size
  CHECK(close(batch({5}), 2, tolerance<double>::value));
  CHECK(close(batch({std::numeric_limits<double>::quiet_NaN(), 1}), 2, tolerance<double>::value));  // not counted
  CHECK(shift.batches == 3);

  // Of a batch alone: its own mean.
  const double p[] = {-5, -6, -3}, r[] = {-7, -6.5, -3.5};
  const int label[] = {1, 0, 0};
  std::vector<double> gradient(3), given(3);
  const response_batch<double> b{.policy = p, .reference = r, .desirable = label};
  const response_metrics m = evaluate(bco{.beta = 1}, b, {.gradient = gradient});
  CHECK(close(3 * m.loss, minus_log_sigma(1) + 2 * minus_log_sigma(0.5L), tolerance<double>::sum(3)));
  CHECK(evaluate(bco{.beta = 1}, b, {.gradient = given}, {1}).loss == m.loss);
  CHECK(gradient == given);  // nothing goes through the mean
  CHECK(std::isnan(m.kl));   // which is no divergence, and not called one
}

TEST_CASE("bco: density ratios as weights") {
  CHECK(density_ratio_weight(0.5) == Approx(1).epsilon(1e-7));
  CHECK(density_ratio_weight(0.75) == Approx(3).epsilon(1e-7));
  CHECK(density_ratio_weight(0) == 0.5);
  CHECK(density_ratio_weight(1) == 10);
  CHECK(density_ratio_weight(0.01, 0.001, 2) == Approx(1.0 / 99).epsilon(1e-7));
  const double p[] = {-5, -6}, r[] = {-7, -6.5}, weights[] = {1, density_ratio_weight(0.75)};
  const int label[] = {1, 0};
  const double loss =
      evaluate(bco{.beta = 1}, response_batch<double>{.policy = p, .reference = r, .desirable = label, .weights = weights}, {}, {0}).loss;
  CHECK(close(2 * loss, minus_log_sigma(2) + 3 * minus_log_sigma(-0.5L), 1e-7));  // p/(1 − p + 10⁻⁸), as in TRL
}
