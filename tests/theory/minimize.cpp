// SPDX-License-Identifier: Apache-2.0
// The minimiser, the tabular policy's derivatives, the plain optimisers.
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/descend.hpp>
#include <tilt/theory/tabular.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using test::all_close;
using test::close;
using test::tolerance;

second_order rosenbrock(std::span<const double> x) {
  const double a = x[1] - x[0] * x[0], b = 1 - x[0];
  second_order f(2);
  f.value = 100 * a * a + b * b;
  f.gradient = {-400 * x[0] * a - 2 * b, 200 * a};
  f.hessian = {1200 * x[0] * x[0] - 400 * x[1] + 2, -400 * x[0], -400 * x[0], 200};
  return f;
}

answer_set random_world(std::uint64_t seed, std::size_t n = 5) {
  const philox draws(seed);
  answer_set world;
  std::vector<double> z(n);
  for (std::size_t y = 0; y < n; ++y) {
    z[y] = normal(draws, 2 * y);
    world.rewards.push_back(normal(draws, 2 * y + 1));
    world.lengths.push_back(static_cast<index>(1 + 2 * y));
  }
  world.reference_logps = log_softmax(z);
  return world;
}

TEST_CASE("minimize: through Rosenbrock's valley, and where the Hessian has negative directions") {
  const minimum m = minimize(rosenbrock, {-1.2, 1});
  CHECK(all_close(m.at, std::vector<double>{1, 1}, 1e-14));
  CHECK(m.gradient < 1e-12);
  // x⁴ − 2x² begins at a maximum's side, and has minima at ±1.
  const minimum well = minimize(
      [](std::span<const double> x) {
        second_order f(1);
        const double v = x[0];
        f.value = v * v * v * v - 2 * v * v, f.gradient[0] = 4 * v * v * v - 4 * v, f.hessian[0] = 12 * v * v - 4;
        return f;
      },
      {0.01});
  CHECK(close(well.at[0], 1, 1e-14));
}

TEST_CASE("minimize: stops where there is no minimum, and says so by the gradient") {
  const minimum m = minimize(
      [](std::span<const double> x) {
        second_order f(1);
        f.value = x[0], f.gradient[0] = 1;
        return f;
      },
      {0});
  CHECK(m.gradient == 1);
  CHECK(m.value < 0);
}

TEST_CASE("tabular_risk: gradient and Hessian are central differences'") {
  const auto check = [](const auto& loss) {
    const answer_set world = random_world(5);
    const tabular_risk risk(
        loss, world, bradley_terry_preferences(world, [](std::size_t a, std::size_t b) { return 1.0 / static_cast<double>(1 + a + b); }));
    std::vector<double> theta = random_world(6).reference_logps;
    const second_order f = risk(theta);
    double shift = 0;
    for (const double t : theta) shift += t;
    CHECK(close(f.value, risk.value(theta) + shift * shift / 2, tolerance<double>::gradient));
    std::vector<double> with_pin = risk.gradient(theta);
    for (double& g : with_pin) g += shift;
    CHECK(all_close(f.gradient, with_pin, tolerance<double>::sum(40), test::largest(f.gradient)));
    for (std::size_t i = 0; i < theta.size(); ++i) {
      const double x = theta[i], h = tolerance<double>::step(x);
      theta[i] = x + h;
      const second_order up = risk(theta);
      theta[i] = x - h;
      const second_order down = risk(theta);
      theta[i] = x;
      CHECK(close((up.value - down.value) / (2 * h), f.gradient[i], tolerance<double>::difference(), f.value));
      for (std::size_t j = 0; j < theta.size(); ++j)
        CHECK(close((up.gradient[j] - down.gradient[j]) / (2 * h), f.hessian[i * theta.size() + j], tolerance<double>::difference(),
                    test::largest(f.hessian)));
    }
  };
  check(dpo{.beta = 0.7});
  check(dpo{.beta = 0.7, .label_smoothing = 0.2});
  check(ipo{.beta = 0.4});  // its slopes do not cancel in a pair
}

TEST_CASE("preferences: Bradley-Terry's weights of both orders make a pair's, ranks leave ties out") {
  const answer_set world{{0, 0, 0}, {2, 1, 1}};
  const auto soft = bradley_terry_preferences(world);
  REQUIRE(soft.size() == 6);
  double total = 0;
  for (const preference& p : soft) total += p.weight;
  CHECK(close(total, 1, 1e-15));
  CHECK(close(soft[0].weight * 3, 1 / (1 + std::exp(-1.0)), 1e-15));
  const auto ranks = ranked_preferences(world);
  REQUIRE(ranks.size() == 2);
  for (const preference& p : ranks) {
    CHECK(p.chosen == 0);
    CHECK(p.weight == 0.5);
  }
}

TEST_CASE("total_variation: by hand") {
  const std::vector<double> p = {std::log(0.5), std::log(0.5)}, q = {std::log(0.8), std::log(0.2)};
  CHECK(close(total_variation(p, q), 0.3, 1e-15));
  CHECK(total_variation(p, p) == 0);
}

TEST_CASE("descend: a bowl's exact iterates, Adam's first steps have the rate's size") {
  const auto bowl = [](const std::vector<double>& x) { return std::vector<double>{x[0], 4 * x[1]}; };
  std::vector<double> x = {1, -2};
  descend(x, bowl, 0.125, 3);
  CHECK(all_close(x, std::vector<double>{0.875 * 0.875 * 0.875, -0.25}, 1e-15));
  std::vector<double> y = {1000, -1e-6};
  descend_adam(y, bowl, 0.5, 1, 1e-300);
  CHECK(all_close(y, std::vector<double>{999.5, -1e-6 + 0.5}, 1e-12));
  // Two steps by hand: mean 0.9·(1 − 0.9)·g₁ + 0.1·g₂, squares alike.
  std::vector<double> z = {2};
  descend_adam(
      z, [](const std::vector<double>& at) { return std::vector<double>{at[0]}; }, 0.5, 2, 0.01);
  const double first = 2 - 0.5 * 2 / (2 + 0.01), mean = (0.09 * 2 + 0.1 * first) / (1 - 0.81),
               squares = (0.000999 * 4 + 0.001 * first * first) / (1 - 0.998001);
  CHECK(close(z[0], first - 0.5 * mean / (std::sqrt(squares) + 0.01), 1e-12));
}

}  // namespace
