// SPDX-License-Identifier: Apache-2.0
// Losses that look at each response of a pair by itself: value and slopes three ways, and far out.
#include <tilt/loss/apo.hpp>
#include <tilt/loss/bco_pair.hpp>
#include <tilt/loss/cal_dpo.hpp>
#include <tilt/loss/nca_pair.hpp>
#include <tilt/loss/sppo.hpp>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;
using real_pair = pair_logps<long double>;

TEST_CASE("nca_pair") {
  for (const double beta : {0.1, 0.5}) {
    const long double b = beta;
    check_pair_loss(nca_pair{beta}, {-1, 1, 1, 0}, beta, [=](const real_pair& y) {
      const long double u = b * y.chosen.log_ratio(), v = b * y.rejected.log_ratio();
      return value_and_slopes{minus_log_sigma(u) + 0.5L * minus_log_sigma(-u) + 0.5L * minus_log_sigma(-v),
                              -b * sigma(-u) + 0.5L * b * sigma(u), 0.5L * b * sigma(v)};
    });
    // Where the chosen response comes to rest.
    const dual<double, 2> d = differentiate(nca_pair{beta}, pair_logps<double>{{std::log(2.0) / beta, 0}, {0, 0}});
    CHECK(close(d.slope[0], 0, tolerance<double>::gradient));
  }
}

TEST_CASE("bco_pair") {
  for (const double beta : {0.1, 0.5}) {
    const long double b = beta;
    check_pair_loss(bco_pair{beta}, {-1, 1, 0, 0}, beta, [=](const real_pair& y) {
      const long double u = b * y.chosen.log_ratio(), v = b * y.rejected.log_ratio();
      return value_and_slopes{minus_log_sigma(u) + minus_log_sigma(-v), -b * sigma(-u), b * sigma(v)};
    });
  }
}

TEST_CASE("sppo_hard") {
  for (const double beta : {0.1, 0.5}) {
    const long double target = 1 / (2 * static_cast<long double>(beta));
    check_pair_loss(sppo_hard{beta}, {-1, 1, 1, -1}, beta, [=](const real_pair& y) {
      const long double u = y.chosen.log_ratio() - target, v = y.rejected.log_ratio() + target;
      return value_and_slopes{u * u + v * v, 2 * u, 2 * v};
    });
  }
}

TEST_CASE("sppo") {
  check_pair_loss(sppo{0.5}, {-1, 1, 1, -1}, 0.5, [](const real_pair& y) {
    const long double target = (y.win_probability - 0.5L) / 0.5L, u = y.chosen.log_ratio() - target, v = y.rejected.log_ratio() + target;
    return value_and_slopes{u * u + v * v, 2 * u, 2 * v};
  });
  // With certainty it is the hard form, and of equals it wants nothing but the reference.
  const pair_logps<double> certain{{-3, -4}, {-2, -1}}, equal{{-3, -3}, {-2, -2}, 0.5};
  CHECK(sppo{}(certain) == sppo_hard{}(certain));
  CHECK(sppo{}(equal) == 0);
}

TEST_CASE("apo_zero") {
  for (const double beta : {0.1, 0.5}) {
    const long double b = beta;
    check_pair_loss(apo_zero{beta}, {0, 0, 0, 0}, beta, [=](const real_pair& y) {
      const long double u = b * y.chosen.log_ratio(), v = b * y.rejected.log_ratio();
      return value_and_slopes{sigma(-u) + sigma(v), -b * sigma(u) * sigma(-u), b * sigma(v) * sigma(-v)};
    });
  }
}

TEST_CASE("apo_down") {
  for (const double beta : {0.1, 0.5}) {
    const long double b = beta;
    check_pair_loss(apo_down{beta}, {0, 0, 0, 0}, beta, [=](const real_pair& y) {
      const long double u = b * y.chosen.log_ratio(), m = b * y.margin(), d = b * sigma(m) * sigma(-m);
      return value_and_slopes{sigma(u) + sigma(-m), b * sigma(u) * sigma(-u) - d, d};
    });
  }
}

TEST_CASE("cal_dpo") {
  for (const double beta : {0.1, 0.5}) {
    const long double target = 1 / (2 * static_cast<long double>(beta));
    check_pair_loss(cal_dpo{beta}, {-1, 1, 1, -1}, beta, [=](const real_pair& y) {
      const long double u = y.chosen.log_ratio() - target, v = y.rejected.log_ratio() + target, m = y.margin();
      return value_and_slopes{minus_log_sigma(m) + u * u + v * v, -sigma(-m) + 2 * u, sigma(-m) + 2 * v};
    });
  }
}
