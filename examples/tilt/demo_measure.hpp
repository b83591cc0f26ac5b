// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/data/pack.hpp>
#include <tilt/model/pass.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/theory/bradley_terry.hpp>
#include <tilt/theory/prefix_tree.hpp>

#include "demo_data.hpp"

namespace tilt::program {

struct estimate {
  double value = 0, error = 0;  ///< a mean and its standard error
};

/// Where a policy stands: true reward and KL(π‖π_ref) over fresh samples for prompts it has not seen.
struct standing {
  estimate reward, kl;
  double sentences = 0;  ///< share of the samples that are sentences of the language
};

/// What the KL-regularised optimum over a world comes to.
struct optimum {
  double reward = 0, kl = 0;
};

/// Mean of stratified samples, the same number for every prompt, and its standard error given the prompts.
inline estimate stratified(std::span<const std::vector<double>> values) {
  estimate e;
  for (const auto& of_prompt : values) {
    const double n = static_cast<double>(of_prompt.size());
    double mean = 0, squares = 0;
    for (const double v : of_prompt) mean += v / n;
    for (const double v : of_prompt) squares += (v - mean) * (v - mean);
    e.value += mean / static_cast<double>(values.size());
    e.error += n > 1 ? squares / (n - 1) / n : 0;
  }
  e.error = std::sqrt(e.error) / static_cast<double>(values.size());
  return e;
}

/// log π(y|x) of responses to prompts, summed over tokens.
template <class B> std::vector<std::vector<double>> score(transformer<B>& model, std::span<const std::vector<token>> prompts, std::span<const std::vector<std::vector<token>>> responses) {
  pass<B> scoring(model, pass_kind::inference);
  std::vector<std::vector<double>> logps(prompts.size());
  packed_trees pack;
  for (std::size_t first = 0; first < prompts.size();) {
    std::size_t last = first;
    for (pack.clear(); last < prompts.size() && (last == first || pack.tokens() < 4096); ++last) append_prefix_tree(pack, prompts[last], responses[last]);
    scoring.forward(pack);
    std::size_t r = 0;
    for (; first < last; ++first)
      for (std::size_t j = 0; j < responses[first].size(); ++j, ++r) {
        double sum = 0;
        for (index t = pack.response_begin[r]; t < pack.response_begin[r + 1]; ++t) sum += static_cast<double>(scoring.logps()[static_cast<std::size_t>(t)]);
        logps[first].push_back(sum);
      }
  }
  return logps;
}

/// Samples without their log-probabilities.
template <class T> std::vector<std::vector<std::vector<token>>> tokens_of(const std::vector<std::vector<generated<T>>>& samples) {
  std::vector<std::vector<std::vector<token>>> tokens(samples.size());
  for (std::size_t p = 0; p < samples.size(); ++p)
    for (const auto& sample : samples[p]) tokens[p].push_back(sample.tokens);
  return tokens;
}

/// What fresh samples of a policy say, prompt by prompt.
struct sampled_policy {
  std::vector<std::vector<double>> rewards, log_ratios;  ///< true reward and log π/π_ref of each sample
  double sentences = 0;                                  ///< share of the samples that are sentences of the language
  std::vector<token> first = {};                         ///< the first sample of the first prompt
};

/// World: reward(tokens) and is_sentence(tokens).
template <class B, class World>
sampled_policy sample_policy(const World& world, const transformer<B>& policy, transformer<B>& reference, std::span<const std::vector<token>> prompts, index samples_each, const generation_options& options) {
  const auto samples = generate(policy, prompts, samples_each, options);
  const auto tokens = tokens_of(samples);
  const auto reference_logps = score(reference, prompts, std::span(tokens));
  sampled_policy s{std::vector<std::vector<double>>(prompts.size()), std::vector<std::vector<double>>(prompts.size())};
  s.first = tokens[0][0];
  double count = 0;
  for (std::size_t p = 0; p < prompts.size(); ++p)
    for (std::size_t j = 0; j < samples[p].size(); ++j) {
      double logp = 0;
      for (const auto l : samples[p][j].logps) logp += static_cast<double>(l);
      s.rewards[p].push_back(world.reward(tokens[p][j]));
      s.log_ratios[p].push_back(logp - reference_logps[p][j]);
      s.sentences += world.is_sentence(tokens[p][j]);
      ++count;
    }
  s.sentences /= count;
  return s;
}

template <class B, class World>
standing measure(const World& world, const transformer<B>& policy, transformer<B>& reference, std::span<const std::vector<token>> prompts, index samples_each, const generation_options& options) {
  const sampled_policy s = sample_policy(world, policy, reference, prompts, samples_each, options);
  return {stratified(s.rewards), stratified(s.log_ratios), s.sentences};
}

/// The reference as the theory sees it: for some prompts, the exact log-probability of every sentence, and of all else together, which
/// has one reward. So π_ref·exp(r/β)/Z is known exactly, and with it the most reward that any policy can have at a given KL.
class exact_reference {
 public:
  template <class B> exact_reference(const demo_world& world, transformer<B>& reference, std::span<const std::vector<token>> prompts) {
    std::vector<std::vector<std::vector<token>>> all(1);
    for (const auto& c : world.completions()) {
      all[0].push_back(c.tokens);
      rewards_.push_back(c.reward);
    }
    rewards_.push_back(demo_world::nonsense_reward);
    for (std::size_t p = 0; p < prompts.size(); ++p) {
      std::vector<double> logps = score(reference, prompts.subspan(p, 1), std::span(all))[0];
      double inside = 0;
      for (const double l : logps) inside += std::exp(l);
      logps.push_back(std::log(std::max(1 - inside, 1e-12)));
      win_rates_.push_back(win_rates(logps, rewards_));
      logps_.push_back(std::move(logps));
    }
  }

  /// Log-probability of every completion of the world after prompt p, in the world's order, and last of all else.
  std::span<const double> logps(std::size_t p) const { return logps_[p]; }

  /// The reference's own reward.
  double of_reference() const {
    return mean([&](std::size_t p) { return logps_[p]; }).reward;
  }
  /// π_ref·exp(r/β)/Z: what DPO aims at.
  optimum of_reward(double beta) const {
    return mean([&](std::size_t p) { return tilted(logps_[p], rewards_, beta); });
  }
  /// π_ref·exp(g/β)/Z with g the probability to be preferred to a sample of π_ref: what IPO aims at.
  optimum of_win_rate(double beta) const {
    return mean([&](std::size_t p) { return tilted(logps_[p], win_rates_[p], beta); });
  }
  /// The β at which π_ref·exp(r/β)/Z has this KL, and what it has there: no policy of that KL has more reward.
  optimum at_kl(double kl) const {
    double low = std::log(0.02), high = std::log(200.0);  // KL falls as β rises
    for (int i = 0; i < 50; ++i) {
      const double middle = (low + high) / 2;
      (of_reward(std::exp(middle)).kl > kl ? low : high) = middle;
    }
    return of_reward(std::exp(high));
  }

 private:
  template <class Policy> optimum mean(const Policy& policy) const {
    optimum o;
    const double n = static_cast<double>(logps_.size());
    for (std::size_t p = 0; p < logps_.size(); ++p) {
      const std::vector<double> logps = policy(p);
      o.reward += expectation(logps, rewards_) / n;
      o.kl += kl_divergence(logps, logps_[p]) / n;
    }
    return o;
  }

  std::vector<double> rewards_;
  std::vector<std::vector<double>> logps_, win_rates_;
};

}  // namespace tilt::program
