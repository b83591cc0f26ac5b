// SPDX-License-Identifier: Apache-2.0
// What composes with losses: divergences, labels and margins of pairs, discounted tokens, weights of pairs.
#include <cmath>
#include <numeric>
#include <tilt/loss/apo.hpp>
#include <tilt/loss/divergence.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/length_desensitised.hpp>
#include <tilt/loss/mixture.hpp>
#include <tilt/loss/modifiers.hpp>
#include <tilt/loss/sigmoid_norm.hpp>
#include <tilt/loss/wpo.hpp>
#include <vector>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;
using Catch::Matchers::Contains;

static_assert(is_of_margin<dpo>() && is_of_margin<ipo>() && !is_of_margin<apo_zero>() && !is_of_margin<apo_down>());
static_assert(!is_of_margin<without_reference<dpo>>());

namespace {
struct score_and_slope {
  long double value, slope;
};
/// f′(e^u) up to a constant, and its slope in u.
score_and_slope score(const divergence_link& link, long double u) {
  const long double a = link.alpha;
  switch (link.type) {
    case divergence::forward_kl:
      return {1 - std::exp(-u), std::exp(-u)};
    case divergence::js_divergence:
      return {std::log(2.0L) - std::log1p(std::exp(-u)), 1 / (1 + std::exp(u))};
    case divergence::alpha_divergence:
      if (a == 1) return {u, 1};
      return {(std::exp((a - 1) * u) - 1) / (a - 1), std::exp((a - 1) * u)};
    case divergence::reverse_kl:
      break;
  }
  return {u, 1};
}
const std::vector<divergence_link> links{{},
                                         {divergence::forward_kl},
                                         {divergence::js_divergence},
                                         {divergence::alpha_divergence},
                                         {divergence::alpha_divergence, 0.1},
                                         {divergence::alpha_divergence, 1},
                                         {divergence::alpha_divergence, 2}};
}  // namespace

TEST_CASE("divergences: scores and slopes") {
  for (const divergence_link& link : links)
    for (const double u : {-20.0, -3.0, -0.125, 0.0, 0.5, 4.0, 17.0}) {
      CAPTURE(static_cast<int>(link.type), link.alpha, u);
      const score_and_slope exact = score(link, u);
      const dual<double, 1> d = link(dual<double, 1>::variable(u, 0));
      CHECK(close(d.value, exact.value, 4 * tolerance<double>::value, 1));
      CHECK(close(d.slope[0], exact.slope, 4 * tolerance<double>::gradient, 1));
      CHECK(d.slope[0] > 0);  // the more likely, the better
      CHECK(close(link(static_cast<float>(u)), exact.value, 4 * tolerance<float>::value, std::max(1.0L, std::abs(exact.value))));
      CHECK(link(0.0) == 0);
    }
  for (const divergence_link& link : links)
    for (const double u : {-1e4, 1e4, -1e5, 1e5}) {
      CHECK(std::isfinite(link(u)));
      CHECK(std::isfinite(link(dual<float, 1>::variable(static_cast<float>(u), 0)).value));
      CHECK(std::isfinite(link(dual<float, 1>::variable(static_cast<float>(u), 0)).slope[0]));
    }
}

TEST_CASE("divergences: losses of the margin under each") {
  for (const divergence_link& link : links) {
    CAPTURE(static_cast<int>(link.type), link.alpha);
    const with_divergence<dpo> loss{{.beta = 0.5}, link};
    agrees_with_closed_form<double>(loss, [&](const pair_logps<long double>& y) {
      const score_and_slope a = score(link, y.chosen.log_ratio()), b = score(link, y.rejected.log_ratio());
      const long double m = 0.5L * (a.value - b.value), s = -0.5L * sigma(-m);
      return value_and_slopes{minus_log_sigma(m), s * a.slope, -s * b.slope};
    });
    takes_any_number(loss);
    takes_any_number(with_divergence<ipo>{{.beta = 0.5}, link});
    takes_any_number(with_divergence<sigmoid_norm>{{.beta = 0.5}, link});
    for (const double m : {1e4, -1e4}) {
      const dual<double, 2> d = differentiate(loss, pair_logps<double>{{m, 0}, {-m, 0}});
      CHECK((std::isfinite(d.value) && std::isfinite(d.slope[0]) && std::isfinite(d.slope[1])));
      CHECK((d.slope[0] <= 0 && d.slope[1] >= 0));
    }
    CHECK(implicit_reward(loss, response_logps<double>{-3, -5}) == 1);  // plain, as TRL logs it
  }
  // Reverse KL is no change at all.
  for_each_pair([](const pair_logps<double>& y) {
    CHECK(with_divergence<dpo>{{.beta = 0.5}}(y) == dpo{.beta = 0.5}(y));
    CHECK(with_divergence<ipo>{}(y) == ipo{}(y));
  });
}

TEST_CASE("divergences: names and refusals") {
  CHECK(divergence_from_name("js_divergence") == divergence::js_divergence);
  CHECK(divergence_from_name("reverse_kl") == divergence::reverse_kl);
  CHECK_THROWS_WITH(divergence_from_name("kl"), Contains("f_divergence_type") && Contains("forward_kl"));
  CHECK_THROWS_WITH((divergence_link{divergence::forward_kl, 0.3}.check()),
                    Contains("f_alpha_divergence_coef") && Contains("alpha_divergence"));
  CHECK_THROWS_WITH((divergence_link{divergence::alpha_divergence, std::nan("")}.check()), Contains("f_alpha_divergence_coef"));
  CHECK_THROWS_WITH((with_divergence<dpo>{{.beta = -1}}.check()), Contains("beta"));
}

TEST_CASE("soft labels") {
  const soft_labels<dpo> loss{{.beta = 0.5}};
  agrees_with_closed_form<double>(loss, [](const pair_logps<long double>& y) {
    const long double m = 0.5L * y.margin(), p = y.win_probability, slope = -0.5L * (p * sigma(-m) - (1 - p) * sigma(m));
    return value_and_slopes{p * minus_log_sigma(m) + (1 - p) * minus_log_sigma(-m), slope, -slope};
  });
  agrees_with_differences(loss, {}, no_kink);
  takes_any_number(loss);
  // A label that is right with probability 1 − ε: label smoothing. At p = σ(βΔ) the pair is at rest.
  for_each_pair([](const pair_logps<double>& y) {
    CHECK(close(soft_labels<dpo>{}(y), dpo{.label_smoothing = 0.25}(y), 4 * tolerance<double>::value));
  });
  const double delta = std::log(3.0) / 0.5;
  CHECK(close(differentiate(loss, pair_logps<double>{{delta, 0}, {0, 0}, 0.75}).slope[0], 0, tolerance<double>::gradient));
  // Its column is asked for, and refused elsewhere.
  const double x[] = {-1}, p[] = {0.75};
  pair_batch<double> b = pairs(x, x, x, x);
  CHECK_THROWS_WITH(evaluate(loss, b), Contains("win_probability"));
  b.win_probability = p;
  CHECK_NOTHROW(evaluate(loss, b));
  CHECK_THROWS_WITH(evaluate(dpo{}, b), Contains("win_probability") && Contains("sigmoid") && Contains("does not use it"));
  b.win_probability = {};
  b.score_chosen = p;
  CHECK_THROWS_WITH(evaluate(dpo{}, b), Contains("score_chosen") && Contains("sigmoid"));
}

TEST_CASE("target margins") {
  for_each_pair([](const pair_logps<double>& y) {
    const with_target_margin<dpo> loss{{.beta = 0.5}, 2};
    CHECK(close(loss(y), minus_log_sigma(0.5L * y.margin() - 2), 8 * tolerance<double>::value, 1));
    const with_target_margin<hinge> corner{{.beta = 0.5}, 2};
    CHECK(close(corner(y), std::max(0.0, 3 - 0.5 * y.margin()), 8 * tolerance<double>::value, 1));
    const with_target_margin<sigmoid_norm> means{{.beta = 0.5}, 2};
    CHECK(close(means(y), minus_log_sigma(0.5L * (y.chosen.mean_log_ratio() - y.rejected.mean_log_ratio()) - 2),
                8 * tolerance<double>::value, 1));
  });
  with_target_margin<dpo> loss;
  set_option(loss, "target_margin", 0.5);
  set_option(loss, "beta", 0.25);
  CHECK((loss.target_margin == 0.5 && loss.beta == 0.25));
  CHECK_THROWS_WITH((with_target_margin<dpo>{{}, std::nan("")}.check()), Contains("target_margin"));
}

TEST_CASE("modifiers compose") {
  const pair_logps<double> y{{-3, -5, 2}, {-6, -4, 3}, 0.75};
  const without_reference<with_target_margin<hinge>> a{{{.beta = 0.5}, 4}};
  CHECK(a(y) == 1 - (0.5 * 3 - 4));
  const soft_labels<with_divergence<dpo>> b{{{.beta = 0.5}, {divergence::js_divergence}}};
  const double js = static_cast<double>(score({divergence::js_divergence}, 2).value - score({divergence::js_divergence}, -2).value);
  CHECK(close(b(y), 0.75 * minus_log_sigma(0.5L * js) + 0.25 * minus_log_sigma(-0.5L * js), tolerance<double>::value));
  const mixture m{std::tuple(soft_labels<dpo>{{.beta = 0.5}}, apo_zero{}), {1, 0.5}};
  CHECK(uses_win_probability(m));
  CHECK(close(evaluate(m, pair_batch<double>{.policy_chosen = {&y.chosen.policy, 1},
                                             .policy_rejected = {&y.rejected.policy, 1},
                                             .reference_chosen = {&y.chosen.reference, 1},
                                             .reference_rejected = {&y.rejected.reference, 1},
                                             .win_probability = {&y.win_probability, 1}})
                  .loss,
              soft_labels<dpo>{{.beta = 0.5}}(y) + 0.5 * apo_zero{}(y), tolerance<double>::value));
}

TEST_CASE("LD-DPO discounts tokens beyond the shorter response's length") {
  const std::vector<double> logps{-1, -2, -4, -8};
  const std::span<const double> t(logps);
  CHECK(length_desensitised_sum(t, 2, 1) == -15);
  CHECK(length_desensitised_sum(t, 2, 0.5) == -9);
  CHECK(length_desensitised_sum(t, 2, 0) == -3);
  CHECK(length_desensitised_sum(t, 9, 0) == -15);
  CHECK((length_desensitised_weight(1, 2, 0.5) == 1 && length_desensitised_weight(2, 2, 0.5) == 0.5));
  // What is not counted may be anything.
  const std::vector<float> wild{-1, -std::numeric_limits<float>::infinity()};
  CHECK(length_desensitised_sum(std::span<const float>(wild), 1, 0) == -1);
}

TEST_CASE("WPO weighs a response by how much the policy would have written it") {
  // A policy over three words; a token's ratio π(y)/Σπ² averages 1 over the policy's own choices.
  const std::vector<double> p{0.5, 0.25, 0.25};
  const double squares = std::log(0.25 + 0.0625 + 0.0625);
  double mean = 0;
  for (const double x : p) {
    const std::vector<double> logp{std::log(x)}, s{squares};
    mean += x * wpo_weight(std::span<const double>(logp), std::span<const double>(s));
  }
  CHECK(close(mean, 1, tolerance<double>::sum(3)));
  const std::vector<double> two{std::log(0.5), std::log(0.25)}, s{squares, squares};
  CHECK(close(wpo_weight(std::span<const double>(two), std::span<const double>(s)), std::sqrt(0.125) / 0.375, tolerance<double>::value));
  CHECK(wpo_weight(std::span<const double>(), std::span<const double>()) == 1);
}
