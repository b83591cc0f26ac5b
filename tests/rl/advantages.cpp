// SPDX-License-Identifier: Apache-2.0
// Advantages, rewards of tokens, whitening, controllers of the KL penalty, estimators of KL.
#include <cmath>
#include <limits>
#include <tilt/rl/advantages.hpp>
#include <tilt/rl/gae.hpp>
#include <tilt/rl/kl_controller.hpp>
#include <tilt/rl/token_rewards.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using test::all_close;
using test::close;

std::vector<double> draw(std::uint64_t seed, std::size_t n) {
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(normal(philox(seed), i));
  return x;
}

TEST_CASE("gae: by its definition, the sum of discounted residuals, and as the mean of n-step returns") {
  for (const double gamma : {1.0, 0.95})
    for (const double lambda : {0.0, 0.5, 0.95, 1.0})
      for (const double after : {0.0, -0.7}) {
        CAPTURE(gamma, lambda, after);
        const std::size_t n = 9;
        const auto rewards = draw(1, n), values = draw(2, n);
        std::vector<double> advantages(n), by_residuals(n, 0.0), by_returns(n, 0.0);
        generalized_advantages<double>(rewards, values, gamma, lambda, advantages, after);
        const auto value = [&](std::size_t t) { return t < n ? values[t] : after; };
        for (std::size_t t = 0; t < n; ++t) {
          for (std::size_t u = t; u < n; ++u)
            by_residuals[t] += std::pow(gamma * lambda, static_cast<double>(u - t)) * (rewards[u] + gamma * value(u + 1) - value(u));
          // Σ_k (1 − λ)λ^(k−1)·(k-step return), the last one taking all the weight that is left.
          double weight_left = 1, sum = 0, discount = 1;
          for (std::size_t k = 1; t + k <= n; ++k) {
            sum += discount * rewards[t + k - 1];
            discount *= gamma;
            const double k_step = sum + discount * value(t + k),
                         weight = t + k == n ? weight_left : (1 - lambda) * std::pow(lambda, static_cast<double>(k - 1));
            by_returns[t] += weight * (k_step - values[t]);
            weight_left -= weight;
          }
        }
        CHECK(all_close(advantages, by_residuals, 1e-13, 1));
        CHECK(all_close(advantages, by_returns, 1e-13, 1));
        std::vector<double> returns(n);
        value_targets<double>(advantages, values, returns);
        for (std::size_t t = 0; t < n; ++t) CHECK(returns[t] == advantages[t] + values[t]);
      }
}

TEST_CASE("gae: in place of the rewards, of nothing, and of sizes that differ") {
  auto rewards = draw(3, 6);
  const auto values = draw(4, 6), kept = rewards;
  std::vector<double> apart(6);
  generalized_advantages<double>(kept, values, 0.9, 0.8, apart);
  generalized_advantages<double>(rewards, values, 0.9, 0.8, rewards);
  CHECK(rewards == apart);
  std::vector<double> none, five(5);
  CHECK_NOTHROW(generalized_advantages<double>(none, none, 1, 1, none));
  CHECK_THROWS_AS(generalized_advantages<double>(kept, values, 1, 1, five), error);
  CHECK_THROWS_AS(value_targets<double>(kept, values, five), error);
}

TEST_CASE("group_advantages: by hand, for each scale") {
  const std::vector<double> rewards = {1, 2, 3, 6, 5, 5, 5, 5};
  std::vector<double> a(8);
  group_advantages<double>(rewards, 4, a);
  const double deviation = std::sqrt(14.0 / 3);  // mean 3, squares 4 + 1 + 0 + 9
  CHECK(all_close(a, std::vector<double>{-2 / (deviation + 1e-4), -1 / (deviation + 1e-4), 0, 3 / (deviation + 1e-4), 0, 0, 0, 0}, 1e-14));
  group_advantages<double>(rewards, 4, a, reward_scale::none);
  CHECK(a == std::vector<double>{-2, -1, 0, 3, 0, 0, 0, 0});
  group_advantages<double>(rewards, 4, a, reward_scale::batch);
  const double of_batch = std::sqrt(22.0 / 7);  // mean 4, squares 9 + 4 + 1 + 4 + 4
  CHECK(all_close(a, std::vector<double>{-2 / (of_batch + 1e-4), -1 / (of_batch + 1e-4), 0, 3 / (of_batch + 1e-4), 0, 0, 0, 0}, 1e-14));
  group_advantages<double>(rewards, 1, a);
  CHECK(a == std::vector<double>(8, 0.0));
  CHECK_THROWS_AS(group_advantages<double>(rewards, 3, a), input_error);
  CHECK_THROWS_AS(group_advantages<double>(rewards, 0, a), input_error);
  CHECK(reward_scale_of("batch") == reward_scale::batch);
  CHECK_THROWS_AS(reward_scale_of("std"), input_error);
}

TEST_CASE("leave_one_out_advantages: by hand, and K/(K − 1) times the distance from the mean") {
  const std::vector<double> rewards = {1, 2, 6, 0, 0, 3};
  std::vector<double> a(6);
  leave_one_out_advantages<double>(rewards, 3, a);
  CHECK(all_close(a, std::vector<double>{1 - 4.0, 2 - 3.5, 6 - 1.5, -1.5, -1.5, 3}, 1e-15));
  std::vector<double> centred(6);
  group_advantages<double>(rewards, 3, centred, reward_scale::none);
  for (double& x : centred) x *= 1.5;
  CHECK(all_close(a, centred, 1e-15));
  CHECK_THROWS_AS(leave_one_out_advantages<double>(rewards, 1, a), input_error);
}

TEST_CASE("baselines: leave-one-out leaves the policy gradient's expectation as it is, exactly, over all samples that there are") {
  // Three answers, groups of two: Σ over the 9 groups of π(a)π(b)·½·(A_a·∇log π(a) + A_b·∇log π(b)) against ∇E[r].
  const std::vector<double> p = {0.5, 0.3, 0.2}, r = {1, -0.5, 2};
  const double mean = p[0] * r[0] + p[1] * r[1] + p[2] * r[2];
  std::vector<double> estimate(3, 0.0), exact(3);
  for (std::size_t k = 0; k < 3; ++k) exact[k] = p[k] * (r[k] - mean);  // ∂E[r]/∂logit_k
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b) {
      const std::vector<double> rewards = {r[a], r[b]};
      std::vector<double> advantages(2);
      leave_one_out_advantages<double>(rewards, 2, advantages);
      for (std::size_t k = 0; k < 3; ++k)
        estimate[k] += p[a] * p[b] * 0.5 * (advantages[0] * ((k == a ? 1 : 0) - p[k]) + advantages[1] * ((k == b ? 1 : 0) - p[k]));
    }
  CHECK(all_close(estimate, exact, 1e-14, 1));
}

TEST_CASE("whiten: mean 0 and variance 1, or the mean kept") {
  auto x = draw(5, 40);
  for (double& v : x) v = 3 * v + 7;
  const auto before = moments::of(std::span<const double>(x));
  auto kept = x;
  whiten<double>(x);
  whiten<double>(kept, false);
  const auto after = moments::of(std::span<const double>(x)), with_mean = moments::of(std::span<const double>(kept));
  CHECK(std::abs(after.mean) < 1e-14);
  CHECK(close(after.variance * 39 / 40, 1, 1e-8));  // 1e-8 is added to a variance of some 9
  CHECK(close(with_mean.mean, before.mean, 1e-13));
  CHECK(close(with_mean.variance, after.variance, 1e-12));
  std::vector<double> one = {4}, none;
  whiten<double>(one);
  CHECK(one[0] == 0);
  CHECK_NOTHROW(whiten<double>(none));
}

TEST_CASE("kl estimators: k1 and k3 have KL for their mean exactly, k2 to third order, gradients of k2 and k3 point to it") {
  const std::vector<double> p = {0.55, 0.25, 0.15, 0.05}, q = {0.4, 0.3, 0.2, 0.1};
  double kl = 0, k1 = 0, k2 = 0, k3 = 0, slope_k1 = 0;
  for (std::size_t y = 0; y < 4; ++y) {
    const double lp = std::log(p[y]), lq = std::log(q[y]);
    kl += p[y] * (lp - lq);
    k1 += p[y] * estimate_kl(kl_estimator::k1, lp, lq);
    k2 += p[y] * estimate_kl(kl_estimator::k2, lp, lq);
    k3 += p[y] * estimate_kl(kl_estimator::k3, lp, lq);
    CHECK(kl_k3(lp, lq) >= 0);
    slope_k1 += p[y] * ((y == 0 ? 1 : 0) - p[0]);  // E[∇ k1] = E[∇ log π] = 0
  }
  CHECK(close(k1, kl, 1e-14));
  CHECK(close(k3, kl, 1e-13));
  CHECK(std::abs(k2 - kl) < 0.1 * kl);
  CHECK(std::abs(slope_k1) < 1e-16);
  // E[∇ k2] = E[d·∇ log π] = ∇KL, by logit 0.
  double slope_k2 = 0;
  for (std::size_t y = 0; y < 4; ++y) slope_k2 += p[y] * std::log(p[y] / q[y]) * ((y == 0 ? 1 : 0) - p[0]);
  CHECK(close(slope_k2, p[0] * (std::log(p[0] / q[0]) - kl), 1e-14));
  CHECK(kl_k3(-1.0, -1.0 + 1e-9) > 4.9e-19);  // no cancellation
  CHECK(kl_estimator_of("k2") == kl_estimator::k2);
  CHECK_THROWS_AS(kl_estimator_of("k4"), input_error);
}

TEST_CASE("token_rewards: a penalty at each token, the score at the last") {
  const std::vector<double> logps = {-1, -2, -0.5}, reference = {-1.5, -1, -0.5};
  std::vector<double> r(3);
  token_rewards<double>(logps, reference, 0.1, kl_estimator::k1, 2, r);
  CHECK(all_close(r, std::vector<double>{-0.05, 0.1, 2}, 1e-15));
  token_rewards<double>(logps, reference, 0.1, kl_estimator::k3, 2, r);
  CHECK(all_close(r, std::vector<double>{-0.1 * (std::exp(-0.5) - 0.5), -0.1 * (std::exp(1.0) - 2), 2}, 1e-14));
  std::vector<double> none;
  CHECK_THROWS_AS(token_rewards<double>(none, none, 0.1, kl_estimator::k1, 2, none), error);
  CHECK(with_eos_penalty(1.5, true, 1) == 1.5);
  CHECK(with_eos_penalty(1.5, false, 1) == 0.5);
  CHECK(clipped_reward(7, 5) == 5);
  CHECK(clipped_reward(-7, 5) == -5);
  CHECK(clipped_reward(3, 5) == 3);
}

TEST_CASE("running_moments: those of all numbers at once") {
  const auto x = draw(6, 100);
  running_moments m;
  CHECK(m.normalised(2) == 2);
  for (const double v : x) m.add(1000 + v);
  const auto all = moments::of(std::span<const double>(x));
  CHECK(close(m.mean, 1000 + all.mean, 1e-14));
  CHECK(close(m.variance(), all.variance, 1e-10));
  CHECK(close(m.normalised(1000 + all.mean + std::sqrt(all.variance)), 1, 1e-10));
}

TEST_CASE("adaptive_kl_controller: by hand, bounded, and steers a plant to its target") {
  adaptive_kl_controller c{.coefficient = 0.2, .target = 6, .horizon = 1000};
  c.update(6.6, 100);
  CHECK(close(c.coefficient, 0.2 * (1 + 0.1 * 0.1), 1e-15));
  c.coefficient = 0.2;
  c.update(100, 100);
  CHECK(close(c.coefficient, 0.2 * 1.02, 1e-15));
  c.coefficient = 0.2;
  c.update(0, 100);
  CHECK(close(c.coefficient, 0.2 * 0.98, 1e-15));
  c.coefficient = 0.2;
  c.update(std::numeric_limits<double>::quiet_NaN(), 100);
  CHECK(c.coefficient == 0.2);
  // A policy at the optimum for its coefficient, KL = 1/(2β²) (a Gaussian reward of variance 1): the coefficient ends where KL is 6.
  for (int k = 0; k < 4000; ++k) c.update(1 / (2 * c.coefficient * c.coefficient), 100);
  CHECK(close(1 / (2 * c.coefficient * c.coefficient), 6, 1e-6));
  CHECK_THROWS_AS((adaptive_kl_controller{.target = 0}.check()), input_error);
  CHECK_THROWS_AS((adaptive_kl_controller{.horizon = -1}.check()), input_error);
  CHECK_THROWS_AS((adaptive_kl_controller{.coefficient = 0}.check()), input_error);
  fixed_kl_controller f{.coefficient = 0.05};
  f.update(100, 100);
  CHECK(f.coefficient == 0.05);
  CHECK_NOTHROW(f.check());
}

}  // namespace
