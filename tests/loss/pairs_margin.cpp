// SPDX-License-Identifier: Apache-2.0
// Losses of a pair's margin: value and slopes three ways, and far out.
#include <tilt/loss/discopop.hpp>
#include <tilt/loss/dpo_positive.hpp>
#include <tilt/loss/exo_pair.hpp>
#include <tilt/loss/odpo.hpp>
#include <tilt/loss/rdpo.hpp>
#include <tilt/loss/robust.hpp>
#include <tilt/loss/sigmoid_norm.hpp>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;
using real_pair = pair_logps<long double>;

TEST_CASE("robust") {
  for (const robust_dpo& loss : {robust_dpo{}, robust_dpo{.beta = 0.5, .label_smoothing = 0.2}}) {
    const long double b = loss.beta, e = loss.label_smoothing;
    // With ε > 0 a won pair is pushed on, and a lost one too: the loss falls without end.
    check_pair_loss(loss, {-1, 1, e > 0 ? -1 : 0, e > 0 ? 1 : 0}, loss.beta, [=](const real_pair& y) {
      const long double m = b * y.margin(), slope = -b * ((1 - e) * sigma(-m) + e * sigma(m)) / (1 - 2 * e);
      return value_and_slopes{((1 - e) * minus_log_sigma(m) - e * minus_log_sigma(-m)) / (1 - 2 * e), slope, -slope};
    });
  }
}

TEST_CASE("robust: unbiased under flipped labels") {
  const robust_dpo loss{.beta = 0.3, .label_smoothing = 0.2};
  for_each_pair([&](const pair_logps<double>& y) {
    const pair_logps<double> flipped{y.rejected, y.chosen};
    CHECK(close(0.8 * loss(y) + 0.2 * loss(flipped), robust_dpo{.beta = 0.3}(y), 4 * tolerance<double>::value, std::abs(loss(y)) + 1));
  });
}

TEST_CASE("exo_pair") {
  for (const exo_pair& loss : {exo_pair{}, exo_pair{.beta = 0.5, .label_smoothing = 0.2}}) {
    const long double b = loss.beta, e = loss.label_smoothing;
    check_pair_loss(loss, {0, 0, 0, 0}, loss.beta, [=](const real_pair& y) {
      const long double m = b * y.margin(), q = sigma(m), p = sigma(-m);
      const long double slope = b * q * p * (m - std::log((1 - e) / e));
      return value_and_slopes{q * std::log(q / (1 - e)) + p * std::log(p / e), slope, -slope};
    });
    // 0, and flat, at q = 1 − ε.
    const double target = std::log((1 - loss.label_smoothing) / loss.label_smoothing) / loss.beta;
    const dual<double, 2> d = differentiate(loss, pair_logps<double>{{target, 0}, {0, 0}});
    CHECK(close(d.value, 0, tolerance<double>::value));
    CHECK(close(d.slope[0], 0, tolerance<double>::gradient));
  }
}

TEST_CASE("discopop") {
  for (const discopop& loss : {discopop{}, discopop{.beta = 0.5, .discopop_tau = 0.2}}) {
    const long double b = loss.beta, t = loss.discopop_tau;
    check_pair_loss(loss, {-1, 1, 0, 0}, loss.beta, [=](const real_pair& y) {
      const long double x = b * y.margin(), m = sigma(x / t), dm = m * sigma(-x / t) / t;
      const long double slope = b * (-sigma(-x) * (1 - m) - std::exp(-x) * m + dm * (std::exp(-x) - minus_log_sigma(x)));
      return value_and_slopes{minus_log_sigma(x) * (1 - m) + std::exp(-x) * m, slope, -slope};
    });
  }
  // What its docstring says of τ = 0.05: the slope turns at −0.12 and 0.07.
  const auto slope = [](double x) { return differentiate(discopop{.beta = 1}, pair_logps<double>{{x, 0}, {0, 0}}).slope[0]; };
  CHECK((slope(-0.13) < 0 && slope(-0.11) > 0 && slope(0) > 0 && slope(0.06) > 0 && slope(0.08) < 0));
}

TEST_CASE("sigmoid_norm") {
  const sigmoid_norm loss{.beta = 0.5};
  check_pair_loss(loss, {-1, 1, 0, 0}, loss.beta, [](const real_pair& y) {
    const auto n = static_cast<long double>(y.chosen.tokens), k = static_cast<long double>(y.rejected.tokens);
    const long double m = 0.5L * (y.chosen.log_ratio() / n - y.rejected.log_ratio() / k);
    return value_and_slopes{minus_log_sigma(m), -0.5L * sigma(-m) / n, 0.5L * sigma(-m) / k};
  });
  // One token each: DPO.
  CHECK(close(loss(pair_logps<double>{{-3, -4}, {-2, -1}}), minus_log_sigma(1), tolerance<double>::value));
}

TEST_CASE("dpop") {
  const auto kink = [](const pair_logps<double>& y) { return y.chosen.log_ratio() == 0; };
  for (const dpo_positive& loss : {dpo_positive{.beta = 0.1, .dpop_lambda = 5}, dpo_positive{.beta = 0.5, .dpop_lambda = 0}}) {
    const long double b = loss.beta, l = loss.dpop_lambda;
    check_pair_loss(
        loss, {-1, 1, 0, 0}, loss.beta,
        [=](const real_pair& y) {
          const long double u = y.chosen.log_ratio(), m = b * (y.margin() - l * std::max(0.0L, -u));
          return value_and_slopes{minus_log_sigma(m), -b * sigma(-m) * (u < 0 ? 1 + l : 1), b * sigma(-m)};
        },
        kink);
  }
}

TEST_CASE("odpo") {
  for (const bool logarithm : {true, false}) {
    const odpo loss{.beta = 0.5, .odpo_alpha = 0.75, .odpo_log = logarithm};
    check_pair_loss(loss, {-1, 1, 0, 0}, loss.beta, [=](const real_pair& y) {
      const long double difference = y.chosen.score - y.rejected.score;
      if (logarithm && difference <= 0) return value_and_slopes{0, 0, 0};
      const long double m = 0.5L * y.margin() - 0.75L * (logarithm ? std::log(difference) : difference);
      return value_and_slopes{minus_log_sigma(m), -0.5L * sigma(-m), 0.5L * sigma(-m)};
    });
  }
  // Scores that differ by 1 ask for no offset, and for more of it the more they differ.
  const auto at = [](double score) { return odpo{}(pair_logps<double>{{1, 0, 1, score}, {0, 0, 1, 0}}); };
  CHECK(close(at(1), minus_log_sigma(0.1L), tolerance<double>::value));
  CHECK(at(2) > at(1));
}

TEST_CASE("rdpo") {
  const rdpo loss{.beta = 0.5, .rdpo_alpha = 0.25};
  check_pair_loss(loss, {-1, 1, 0, 0}, loss.beta, [](const real_pair& y) {
    const long double m = 0.5L * y.margin() + 0.25L * static_cast<long double>(y.chosen.tokens - y.rejected.tokens);
    return value_and_slopes{minus_log_sigma(m), -0.5L * sigma(-m), 0.5L * sigma(-m)};
  });
  // The longer the chosen response, the less its pair pulls.
  const auto pull = [&](tilt::index tokens) { return -differentiate(loss, pair_logps<double>{{0, 0, tokens}, {0, 0, 5}}).slope[0]; };
  CHECK(pull(9) < pull(5));
  CHECK(pull(5) < pull(1));
}
