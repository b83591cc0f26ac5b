// SPDX-License-Identifier: Apache-2.0
// KTO: value and slope three ways, its reference point, and batches cut in any way.
#include <array>
#include <cmath>
#include <span>
#include <tilt/loss/kto.hpp>
#include <vector>

#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::close;
using test::tolerance;

static_assert(labelled_loss<kto> && !pair_loss<kto> && has_statistic<kto> && std::same_as<statistic_value<kto>, double>);

namespace {
template <class T> labelled_logps<T> single(T policy, T reference, bool desirable) { return {{policy, reference, 3}, desirable}; }

struct batch {
  std::vector<double> policy{-10, -20.5, -3, -17, -8.25}, reference{-11, -19, -3.5, -30, -8.25};
  std::vector<int> desirable{1, 0, 1, 1, 0};
  std::vector<double> other{-12, -9, -30}, other_reference{-14, -9.5, -29};
  response_batch<double> view() const {
    return {.policy = policy, .reference = reference, .desirable = desirable, .mismatched_policy = other, .mismatched_reference = other_reference};
  }
};
}  // namespace

TEMPLATE_TEST_CASE("kto: value and slope are the closed form's", "", float, double, long double) {
  using T = TestType;
  for (const kto& loss : {kto{}, kto{.beta = 0.5, .desirable_weight = 1.33, .undesirable_weight = 0.75}})
    for (const double ratio : {-20.0, -2.0, -0.5, 0.0, 0.25, 3.0, 40.0})
      for (const double z0 : {0.0, 0.75, 6.0})
        for (const bool desirable : {true, false}) {
          CAPTURE(loss.beta, ratio, z0, desirable);
          const long double b = loss.beta, v = (desirable ? 1 : -1) * b * (static_cast<long double>(ratio) - static_cast<long double>(z0));
          const long double weight = desirable ? loss.desirable_weight : loss.undesirable_weight, s = 1 / (1 + std::exp(v));
          const auto y = single<T>(static_cast<T>(ratio) - 50, -50, desirable);
          const dual<T, 1> d = differentiate(loss, y, z0);
          CHECK(close(d.value, weight * s, tolerance<T>::value, 1));
          CHECK(close(d.slope[0], (desirable ? -1 : 1) * weight * b * s * (1 - s), tolerance<T>::gradient, 1));
          CHECK(loss(y, z0) == d.value);
        }
}

TEST_CASE("kto: the slope is a central difference's") {
  const kto loss{.beta = 0.3, .desirable_weight = 2};
  for (const double policy : {-60.0, -9.5, -5.0, -0.5})
    for (const bool desirable : {true, false}) {
      const double h = tolerance<double>::step(policy);
      const double up = policy + h, down = policy - h;
      const double difference = (loss(single(up, -7.0, desirable), 0.5) - loss(single(down, -7.0, desirable), 0.5)) / (up - down);
      CHECK(close(difference, differentiate(loss, single(policy, -7.0, desirable), 0.5).slope[0], tolerance<double>::difference(), 1));
    }
}

TEMPLATE_TEST_CASE("kto: starting values and extremes", "", float, double, long double) {
  using T = TestType;
  const kto loss{.beta = 0.2, .desirable_weight = 1.5, .undesirable_weight = 0.7};
  CHECK(loss(single<T>(T(-31.7L), T(-31.7L), true), 0) == T(0.5) * constant<T>(1.5));
  CHECK(loss(single<T>(T(-31.7L), T(-31.7L), false), 0) == T(0.5) * constant<T>(0.7));
  for (const T ratio : {T(1e4L), T(-1e4L), T(5e4L), T(-5e4L)})
    for (const bool desirable : {true, false}) {
      const dual<T, 1> d = differentiate(loss, single<T>(ratio, 0, desirable), 2);
      CHECK((std::isfinite(d.value) && std::isfinite(d.slope[0])));
      CHECK((desirable ? d.slope[0] <= 0 : d.slope[0] >= 0));
      // Bounded: a hopeless label costs its weight and pulls no more.
      CHECK(d.value <= constant<T>(desirable ? 1.5 : 0.7));
      CHECK(std::abs(d.slope[0]) < T(1e-30L));
    }
}

TEST_CASE("kto: the reference point") {
  kto_reference_point z;
  CHECK(z.value() == 0);  // of nothing
  z.add(response_logps<double>{-1, -4});
  CHECK(z.value() == 3);
  z.add(response_logps<float>{-2, -1});
  CHECK(z.value() == 1);
  z.add(response_logps<double>{-20, -10});
  CHECK(z.value() == 0);  // clamped
  z.add(response_logps<double>{std::nan(""), 0});
  CHECK(std::isnan(z.value()));  // and not hidden

  const batch b;
  const response_metrics m = evaluate(kto{}, b.view());
  CHECK(close(m.kl, (2 + 0.5 - 1) / 3, tolerance<double>::value));
}

TEST_CASE("kto: nothing is differentiated through the reference point") {
  const batch b;
  std::vector<double> gradient(5), given(5);
  const double z0 = evaluate(kto{}, b.view(), {.gradient = gradient}).kl;
  evaluate(kto{}, b.view(), {.gradient = given}, z0);
  CHECK(gradient == given);
  CHECK_FALSE(z0 == 0);
}

TEST_CASE("kto: any split of a batch gives the whole, with the same reference point") {
  const batch b;
  const kto loss{.beta = 0.4, .undesirable_weight = 1.25};
  std::vector<double> whole(5), losses(5), rewards(5);
  const response_metrics m = evaluate(loss, b.view(), {.losses = losses, .gradient = whole, .rewards = rewards});
  for (unsigned cuts = 0; cuts < 16; ++cuts) {  // every way to cut five responses into runs, single ones and runs of one label included
    std::vector<double> parts(5);
    double total = 0;
    for (index begin = 0, end = 1; begin < 5; begin = end, end = begin + 1) {
      while (end < 5 && !(cuts >> (end - 1) & 1)) ++end;
      const auto n = static_cast<std::size_t>(end - begin), from = static_cast<std::size_t>(begin);
      total += evaluate(loss,
                        response_batch<double>{.policy = {b.policy.data() + from, end - begin},
                                               .reference = {b.reference.data() + from, end - begin},
                                               .desirable = std::span(b.desirable).subspan(from, n),
                                               .divisor = 5},
                        {.gradient = {parts.data() + from, end - begin}}, m.kl)
                   .loss;
    }
    CAPTURE(cuts);
    CHECK(parts == whole);
    CHECK(close(total, m.loss, tolerance<double>::sum(5)));
  }
}

TEST_CASE("kto: weights of responses") {
  const batch b;
  const std::vector<double> weights{1, 0, 2, 0.5, 3};
  std::vector<double> plain(5), weighted(5), losses(5);
  response_batch<double> view = b.view();
  evaluate(kto{}, view, {.gradient = plain});
  view.weights = weights;
  const double loss = evaluate(kto{}, view, {.losses = losses, .gradient = weighted}).loss;
  double sum = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(close(weighted[i], weights[i] * plain[i], tolerance<double>::value));
    sum += losses[i];
  }
  CHECK(losses[1] == 0);
  CHECK(close(loss, sum / 5, tolerance<double>::sum(5)));
}

TEST_CASE("kto: batch of one, and of one kind") {
  const std::vector<double> policy{-3}, reference{-4};
  const std::array<bool, 1> desirable{true};
  std::vector<double> gradient(1);
  const response_batch<double> one{.policy = policy, .reference = reference, .desirable = desirable, .mismatched_policy = reference, .mismatched_reference = policy};
  const response_metrics m = evaluate(kto{.beta = 1}, one, {.gradient = gradient});
  CHECK(m.kl == 0);  // −1, clamped
  CHECK(close(m.loss, 1 / (1 + std::exp(1.0)), tolerance<double>::value));
  CHECK(gradient[0] < 0);
  CHECK(m.rewards_chosen == 1);
  CHECK((std::isnan(m.rewards_rejected) && std::isnan(m.rewards_margins) && std::isnan(m.logps_rejected)));
  std::vector<std::string_view> names;
  m.each([&](std::string_view name, double) { names.push_back(name); });
  CHECK(names == std::vector<std::string_view>{"loss", "kl", "rewards/chosen", "logps/chosen", "chosen_falling"});
}

TEST_CASE("kto: metrics under TRL's names") {
  batch b;
  response_batch<double> view = b.view();
  const std::vector<long long> lengths{1, 2, 3, 4, 6};
  view.length = lengths;
  const response_metrics m = evaluate(kto{.beta = 0.5}, view);
  std::vector<std::pair<std::string_view, double>> got;
  m.each([&](std::string_view name, double value) { got.emplace_back(name, value); });
  REQUIRE(got.size() == 10);
  const auto is = [&](std::size_t at, std::string_view name, double value) {
    CHECK(got[at].first == name);
    CHECK(close(got[at].second, value, tolerance<double>::value));
  };
  is(0, "loss", m.loss);
  is(1, "kl", 0.5);
  is(2, "rewards/chosen", 0.5 * (1 + 0.5 + 13) / 3);
  is(3, "logps/chosen", -10);
  is(4, "rewards/rejected", 0.5 * (-1.5 + 0) / 2);
  is(5, "logps/rejected", -14.375);
  is(6, "rewards/margins", 0.5 * (14.5 / 3 + 0.75));
  is(7, "chosen_falling", 0);
  is(8, "length/chosen", 8.0 / 3);
  is(9, "length/rejected", 4);
}

TEST_CASE("kto refuses what it cannot use") {
  using Catch::Matchers::Contains;
  const batch b;
  response_batch<double> without = b.view();
  without.mismatched_policy = {};
  CHECK_THROWS_WITH(evaluate(kto{}, without), Contains("mismatched_policy") && Contains("other prompts"));
  response_batch<double> uneven = b.view();
  uneven.mismatched_reference = uneven.mismatched_reference.part(0, 2);
  CHECK_THROWS_WITH(evaluate(kto{}, uneven), Contains("mismatched_reference") && Contains("2") && Contains("3"));
  response_batch<double> unlabelled = b.view();
  unlabelled.desirable = {};
  CHECK_THROWS_AS(evaluate(kto{}, unlabelled), input_error);
}

TEST_CASE("kto takes the least that is a number") {
  using test::real;
  const labelled_logps<real> y{{real(-1.5), real(-2.5), 3}, true};
  CHECK(differentiate(kto{}, y, 0.25).slope[0].number() == differentiate(kto{}, single(-1.5, -2.5, true), 0.25).slope[0]);
}
