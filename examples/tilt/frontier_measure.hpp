// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <tilt/rl/reward_model.hpp>

#include "demo_measure.hpp"
#include "frontier_files.hpp"
#include "frontier_task.hpp"

namespace tilt::program {

/// True rewards of samples of the reference, sorted, for each held-out prompt: the rival in win rates.
using rival_rewards = std::vector<std::vector<double>>;

/// Probability that a text of this reward beats a text of the rival's, a tie being half a win.
inline double chance_to_win(const std::vector<double>& rival, double reward) {
  const auto [below, above] = std::equal_range(rival.begin(), rival.end(), reward);
  return (static_cast<double>(below - rival.begin()) + 0.5 * static_cast<double>(above - below)) / static_cast<double>(rival.size());
}

/// Where a policy stands, by fresh samples for the held-out prompts.
template <class B>
frontier_result stand(const frontier_task& task, const rival_rewards& rivals, const transformer<B>& policy, transformer<B>& reference,
                      index samples, const generation_options& options) {
  const sampled_policy s = sample_policy(task, policy, reference, std::span<const std::vector<token>>(task.held_out), samples, options);
  const estimate reward = stratified(s.rewards), kl = stratified(s.log_ratios);
  frontier_result r{.reward = reward.value,
                    .reward_error = reward.error,
                    .kl = kl.value,
                    .kl_error = kl.error,
                    .sound = s.sentences,
                    .win_rate = 0,
                    .specimen = {.text = task.text(s.first)}};
  for (char& c : r.specimen.text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  for (std::size_t p = 0; p < s.rewards.size(); ++p)
    for (const double v : s.rewards[p])
      r.win_rate += chance_to_win(rivals[p], v) / static_cast<double>(s.rewards.size() * s.rewards[p].size());
  return r;
}

/// Where π_ref·exp(r/β)/Z stands by samples of π_ref, each of which weighs exp(r/β): an estimate that holds as long as the weight is on
/// many of them. `texts`: how many would do as well if they weighed alike, 1/Σw², on average over prompts.
struct estimated_optimum {
  optimum at;
  double texts = 0;
};
inline estimated_optimum estimate_optimum(const rival_rewards& rewards, double beta) {
  estimated_optimum e;
  const double prompts = static_cast<double>(rewards.size());
  for (const std::vector<double>& of_prompt : rewards) {
    const std::vector<double> alike(of_prompt.size(), -std::log(static_cast<double>(of_prompt.size())));
    const std::vector<double> logps = tilted(alike, of_prompt, beta);
    double squares = 0;
    for (const double l : logps) squares += std::exp(2 * l);
    e.at.reward += expectation(logps, of_prompt) / prompts;
    e.at.kl += kl_divergence(logps, alike) / prompts;
    e.texts += 1 / squares / prompts;
  }
  return e;
}

/// A sample of the reference, as best-of-N sees it.
struct pooled_text {
  double score = 0;   ///< by which N are compared
  double reward = 0;  ///< its true one
  bool sound = false;
};

/// What choosing the best-scored of N draws from a pool comes to, over all draws with replacement: a class of equal scores whose members and all
/// below are a share F, and all below alone a share G, is chosen with probability F^N − G^N, its members alike. KL is to the pool's own
/// distribution of scores; for scores that differ and an endless pool it is log N − (N − 1)/N (Stiennon et al. 2020, arXiv 2009.01325).
inline frontier_result best_of(const std::vector<std::vector<pooled_text>>& pools, const rival_rewards& rivals, double n) {
  std::vector<double> rewards, kls;
  frontier_result r{.reward = 0, .reward_error = 0, .kl = 0, .kl_error = 0, .sound = 0, .win_rate = 0};
  const double prompts = static_cast<double>(pools.size());
  for (std::size_t p = 0; p < pools.size(); ++p) {
    std::vector<pooled_text> pool = pools[p];
    std::sort(pool.begin(), pool.end(), [](const pooled_text& a, const pooled_text& b) { return a.score < b.score; });
    const double all = static_cast<double>(pool.size());
    for (std::size_t begin = 0, end = 0; begin < pool.size(); begin = end) {
      while (end < pool.size() && pool[end].score == pool[begin].score) ++end;
      const double share = static_cast<double>(end - begin) / all;
      const double chosen = std::pow(static_cast<double>(end) / all, n) - std::pow(static_cast<double>(begin) / all, n);
      for (std::size_t i = begin; i < end; ++i) {
        const double weight = chosen / static_cast<double>(end - begin) / prompts;
        r.reward += weight * pool[i].reward;
        r.sound += weight * (pool[i].sound ? 1 : 0);
        r.win_rate += weight * chance_to_win(rivals[p], pool[i].reward);
      }
      if (chosen > 0) r.kl += chosen * std::log(chosen / share) / prompts;
    }
  }
  return r;
}

}  // namespace tilt::program
