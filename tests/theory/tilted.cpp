// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <tilt/theory/bradley_terry.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using test::all_close;
using test::close;

constexpr double tight = 4 * test::tolerance<double>::value;

struct random_world {
  std::vector<double> logps, rewards;
  explicit random_world(unsigned seed, std::size_t n = 50) : logps(n), rewards(n) {
    std::mt19937 engine(seed);
    std::normal_distribution<double> draw;
    for (std::size_t i = 0; i < n; ++i) logps[i] = 2 * draw(engine), rewards[i] = draw(engine);
    const double total = log_sum_exp(logps);
    for (double& l : logps) l -= total;
  }
};

TEST_CASE("tilted: two answers by hand") {
  const std::vector<double> logps = {std::log(0.75), std::log(0.25)}, rewards = {0, std::log(9.0)};
  const auto at_1 = tilted(logps, rewards, 1), at_2 = tilted(logps, rewards, 2);
  CHECK(all_close(std::vector<double>{std::exp(at_1[0]), std::exp(at_1[1])}, std::vector<double>{0.25, 0.75}, tight));
  CHECK(all_close(std::vector<double>{std::exp(at_2[0]), std::exp(at_2[1])}, std::vector<double>{0.5, 0.5}, tight));
  CHECK(close(expectation(at_2, rewards), std::log(9.0) / 2, tight));
  CHECK(close(kl_divergence(at_2, logps), 0.5 * std::log(0.5 / 0.75) + 0.5 * std::log(0.5 / 0.25), tight));
  CHECK(close(entropy(at_2), std::log(2.0), tight));
}

TEST_CASE("tilted: no other distribution has a larger reward less beta times KL") {
  const random_world world(1);
  for (const double beta : {0.05, 0.5, 3.0}) {
    const auto best = tilted(world.logps, world.rewards, beta);
    CHECK(log_sum_exp(best) == Approx(0).margin(1e-12));
    const auto objective = [&](std::span<const double> p) { return expectation(p, world.rewards) - beta * kl_divergence(p, world.logps); };
    const double value = objective(best);
    // The optimum is β log Z.
    std::vector<double> shifted(world.logps);
    for (std::size_t i = 0; i < shifted.size(); ++i) shifted[i] += world.rewards[i] / beta;
    CHECK(close(value, beta * log_sum_exp(shifted), 1e-12));
    CHECK(value > objective(world.logps) + 1e-3);
    for (unsigned seed = 0; seed < 20; ++seed) {
      const random_world push(100 + seed);
      std::vector<double> other(best);
      for (std::size_t i = 0; i < other.size(); ++i) other[i] += 0.3 * push.rewards[i];
      const double total = log_sum_exp(other);
      for (double& l : other) l -= total;
      CHECK(objective(other) < value);
    }
  }
}

TEST_CASE("tilted: a constant in log π_ref or in the reward changes nothing, and small beta overflows nowhere") {
  const random_world world(2);
  std::vector<double> logps(world.logps), rewards(world.rewards);
  for (double& l : logps) l -= 700;
  for (double& r : rewards) r += 5;
  CHECK(all_close(tilted(logps, rewards, 0.7), tilted(world.logps, world.rewards, 0.7), 1e-11));
  const auto sharp = tilted(world.logps, world.rewards, 1e-6);
  CHECK(close(expectation(sharp, world.rewards), *std::max_element(world.rewards.begin(), world.rewards.end()), 1e-9));
  CHECK(kl_divergence(sharp, world.logps) > 0);
  CHECK(std::isfinite(kl_divergence(sharp, world.logps)));
  CHECK_THROWS_AS(tilted(logps, rewards, 0), input_error);
  CHECK_THROWS_AS(tilted(logps, std::span(rewards).first(3), 1), error);
}

TEST_CASE("win_rates: by hand, and their mean is one half") {
  const std::vector<double> logps = {std::log(0.5), std::log(0.3), std::log(0.2)}, rewards = {1, -1, 1};
  const double s = preference_probability(1, -1);
  CHECK(close(s, 1 / (1 + std::exp(-2.0)), tight));
  const auto rates = win_rates(logps, rewards);
  CHECK(all_close(rates, std::vector<double>{0.7 * 0.5 + 0.3 * s, 0.7 * (1 - s) + 0.3 * 0.5, 0.7 * 0.5 + 0.3 * s}, tight));
  const random_world world(3);
  CHECK(close(expectation(world.logps, win_rates(world.logps, world.rewards)), 0.5, 1e-13));
  std::vector<double> shifted(logps);
  for (double& l : shifted) l -= 2000;  // as of long texts
  CHECK(all_close(win_rates(shifted, rewards), rates, 1e-12));
}

TEST_CASE("win_rates: IPO's population loss is least at the distribution tilted by them") {
  // Pairs from π_ref × π_ref, labels from Bradley–Terry, loss (Δ − 1/(2β))² with Δ the difference of log-ratios (the sum form).
  const random_world world(4, 12);
  const double beta = 0.3;
  const auto loss = [&](std::span<const double> logps) {
    double sum = 0;
    for (std::size_t a = 0; a < logps.size(); ++a)
      for (std::size_t b = 0; b < logps.size(); ++b) {
        const double delta = (logps[a] - world.logps[a]) - (logps[b] - world.logps[b]), p = preference_probability(world.rewards[a], world.rewards[b]);
        const double miss = delta - 1 / (2 * beta), wrong = -delta - 1 / (2 * beta);
        sum += std::exp(world.logps[a] + world.logps[b]) * (p * miss * miss + (1 - p) * wrong * wrong);
      }
    return sum;
  };
  const auto best = tilted(world.logps, win_rates(world.logps, world.rewards), beta);
  for (std::size_t i = 0; i < best.size(); ++i)
    for (const double step : {-1e-3, 1e-3}) {
      std::vector<double> other(best);
      other[i] += step;
      CHECK(loss(other) > loss(best));
    }
  CHECK(loss(tilted(world.logps, world.rewards, beta)) > loss(best) + 1e-3);  // DPO's optimum is another
}

}  // namespace
