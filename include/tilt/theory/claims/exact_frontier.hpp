// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/rl/advantages.hpp>
#include <tilt/rl/kl_estimators.hpp>
#include <tilt/rl/ppo.hpp>
#include <tilt/scalar/categorical.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/minimize.hpp>
#include <tilt/theory/tabular.hpp>

namespace tilt {

namespace detail {
/// The most reward that a policy of this KL can have: that of π_ref·exp(r/β)/Z at the β where its KL is that.
inline double frontier_reward(const answer_set& world, double kl) {
  double low = std::log(1e-3), high = std::log(1e6);  // KL falls as β rises
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (kl_divergence(tilted(world.reference_logps, world.rewards, std::exp(middle)), world.reference_logps) > kl ? low : high) = middle;
  }
  return expectation(tilted(world.reference_logps, world.rewards, std::exp(high)), world.rewards);
}

/// PPO on a table, the library's loss on its own samples of one token: steps of 64 samples, scored and penalised by −β·log π/π_ref, four
/// epochs each; a value for the prompt; plain Adam whose rate falls to 0. Returns log π.
inline std::vector<double> tabular_ppo(const answer_set& world, std::span<const double> scores, double beta, const philox& draws) {
  constexpr int steps = 150, samples = 64, epochs = 4;
  constexpr double rate = 0.05, decay = 0.9, decay_squares = 0.999;
  const std::size_t n = world.size();
  std::vector<double> theta = reference_parameters(world), mean(n + 1, 0.0), squares(n + 1, 0.0);
  theta.push_back(0);  // the value
  std::vector<index> ones(samples, 1);
  std::vector<double> old(samples), advantages(samples), returns(samples), values(samples), logps(samples), d_logps(samples),
      d_values(samples), g(n + 1);
  std::vector<std::size_t> drawn(samples);
  std::uint64_t counter = 0;
  long updates = 0;
  for (int step = 0; step < steps; ++step) {
    std::vector<double> policy = log_softmax({theta.data(), n}), weights(n);
    for (std::size_t y = 0; y < n; ++y) weights[y] = std::exp(policy[y]);
    for (std::size_t i = 0; i < samples; ++i) {
      drawn[i] = static_cast<std::size_t>(categorical(weights.data(), static_cast<index>(n), uniform(draws, counter++)));
      old[i] = policy[drawn[i]];
      returns[i] = scores[drawn[i]] - beta * kl_k1(old[i], world.reference_logps[drawn[i]]);
      advantages[i] = returns[i] - theta[n];
    }
    const std::vector<double> old_values(samples, theta[n]);
    whiten(std::span<double>(advantages));
    for (int epoch = 0; epoch < epochs; ++epoch) {
      policy = log_softmax({theta.data(), n});
      for (std::size_t i = 0; i < samples; ++i) logps[i] = policy[drawn[i]], values[i] = theta[n];
      evaluate(ppo{.vf_coef = 0.5}, token_batch<double>{.lengths = ones, .logps = logps, .old_logps = old, .advantages = advantages},
               {.values = values, .old_values = old_values, .returns = returns}, {.logps = d_logps, .values = d_values});
      g.assign(n + 1, 0.0);
      for (std::size_t i = 0; i < samples; ++i) {
        g[n] += d_values[i];
        for (std::size_t k = 0; k < n; ++k) g[k] += d_logps[i] * ((k == drawn[i] ? 1 : 0) - std::exp(policy[k]));
      }
      ++updates;
      for (std::size_t k = 0; k <= n; ++k) {
        mean[k] += (1 - decay) * (g[k] - mean[k]);
        squares[k] += (1 - decay_squares) * (g[k] * g[k] - squares[k]);
        const double bias = 1 - std::pow(decay, updates), bias_squares = 1 - std::pow(decay_squares, updates);
        theta[k] -= rate * (1 - static_cast<double>(step) / steps) * (mean[k] / bias) / (std::sqrt(squares[k] / bias_squares) + 1e-8);
      }
    }
  }
  return log_softmax({theta.data(), n});
}
}  // namespace detail

/// Claim 16. DPO's minimum on drawn labels, and PPO's policies under the reward model of the same labels (Bradley–Terry's maximum likelihood) and
/// under the true reward, against the exact frontier: what each loses of the most reward that there is at its own KL, over seeds. Who is ahead is
/// reported, and bounded by what there is to gain; that nobody is above the frontier has to hold.
inline claim claim_exact_frontier() {
  const answer_set world = small_world();
  constexpr int seeds = 16, draws_a_pair = 40;
  claim c{
      16,
      "DPO beats PPO",
      "Contested: Xu et al. 2024 (arXiv 2404.10719) and Ivison et al. 2024 (2406.09279) report PPO ahead. Both aim at π_ref·exp(r/β)/Z, "
      "PPO with "
      "the reward that it is given, DPO with that of its labels, if they are Bradley–Terry's; no policy is above that line. On a table, "
      "where nothing has to be generalised, the same labels take both to nearly the same place; with language models see dpo-vs-ppo.md.",
      {}};
  c.picture = {"Mean over 16 seeds of 400 labels each, β = 2 to 0.125",
               "KL(π‖π_ref)",
               "E[r]",
               {{"π_ref·exp(r/β)/Z, the most there is", {}}, {"DPO", {}}, {"PPO, learned reward", {}}, {"PPO, true reward", {}}}};
  for (double kl = 0; kl <= 2.4; kl += 0.05) c.picture.curves[0].points.emplace_back(kl, detail::frontier_reward(world, kl));
  double above = 0;
  const double begun = expectation(world.reference_logps, world.rewards);
  for (const double beta : {2.0, 1.0, 0.5, 0.25, 0.125}) {
    double lost[3][seeds], kls[3] = {}, rewards[3] = {}, to_gain = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      const auto data = detail::drawn_preferences(world, draws_a_pair, philox(16, static_cast<std::uint64_t>(seed)));
      std::vector<double> learned = minimize(tabular_risk<dpo>(dpo{.beta = 1}, world, data), reference_parameters(world)).at;
      for (std::size_t y = 0; y < world.size(); ++y)
        learned[y] -= world.reference_logps[y];  // the implicit reward, which is the likeliest one
      const std::uint64_t stream = 1000 + static_cast<std::uint64_t>(seed);
      const std::vector<double> policies[3] = {
          log_softmax(minimize(tabular_risk<dpo>(dpo{.beta = beta}, world, data), reference_parameters(world)).at),
          detail::tabular_ppo(world, learned, beta, philox(16, stream)),
          detail::tabular_ppo(world, world.rewards, beta, philox(17, stream))};
      for (int m = 0; m < 3; ++m) {
        const double kl = kl_divergence(policies[m], world.reference_logps), reward = expectation(policies[m], world.rewards),
                     most = detail::frontier_reward(world, kl);
        lost[m][seed] = most - reward;
        above = std::max(above, reward - most);
        kls[m] += kl / seeds, rewards[m] += reward / seeds;
        to_gain += (most - begun) / (3 * seeds);
      }
    }
    for (int m = 0; m < 3; ++m) c.picture.curves[static_cast<std::size_t>(m) + 1].points.emplace_back(kls[m], rewards[m]);
    if (beta != 0.5 && beta != 0.125) continue;
    for (int m = 1; m < 3; ++m) {
      double mean = 0, squares = 0;
      for (int s = 0; s < seeds; ++s) mean += (lost[m][s] - lost[0][s]) / seeds;
      for (int s = 0; s < seeds; ++s) squares += (lost[m][s] - lost[0][s] - mean) * (lost[m][s] - lost[0][s] - mean);
      const std::string which = std::string(m == 1 ? ", learned" : ", true") + " reward, β = " + std::string(detail::number_text(beta));
      c.measurements.push_back(
          {"DPO's reward less PPO's, each against the frontier at its own KL" + which + "; bound: what there is to gain", mean, 0,
           to_gain});
      c.measurements.push_back({"its standard error over 16 seeds" + which, std::sqrt(squares / (seeds - 1) / seeds), 0, to_gain});
    }
  }
  c.measurements.push_back({"how far any of the 240 policies is above the frontier", above, 0, claim_bound::rounding});
  return c;
}

}  // namespace tilt
