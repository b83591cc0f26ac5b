// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <tilt/data/prompt_tree.hpp>
#include <tilt/theory/bradley_terry.hpp>

#include "demo_world.hpp"

namespace tilt::program {

/// Streams of the demo's random numbers; each is used for one thing.
enum demo_stream : std::uint64_t { language_stream = 1, label_stream = 2, verdict_stream = 3 };

/// One beginning in eight is held out: each determiner with each mood, and with another person each time.
inline bool held_out(std::size_t beginning) {
  const std::size_t determiner = beginning / 32, mood = beginning / 8 % 4, person = beginning % 8;
  return (determiner + 2 * mood + person) % 8 == 0;
}
inline std::vector<const demo_world::beginning*> beginnings(const demo_world& world, bool of_held_out) {
  std::vector<const demo_world::beginning*> some;
  for (std::size_t b = 0; b < world.beginnings().size(); ++b)
    if (held_out(b) == of_held_out) some.push_back(&world.beginnings()[b]);
  return some;
}

/// What the language model learns from: for each beginning that is not held out, completions drawn from the language, in trees of eight.
inline std::vector<prompt_tree> language_trees(const demo_world& world, index trees_each, std::uint64_t seed) {
  const philox draws(seed, language_stream);
  std::vector<prompt_tree> trees;
  std::uint64_t counter = 0;
  for (index t = 0; t < trees_each; ++t)
    for (const auto* beginning : beginnings(world, false)) {
      prompt_tree tree;
      tree.prompt = beginning->tokens;
      for (int r = 0; r < 8; ++r) tree.responses.push_back({world.draw(*beginning, draws, counter++).tokens});
      trees.push_back(std::move(tree));
    }
  return trees;
}

/// Samples of the reference, compared: pairs as trees for DPO, IPO and hinge, single verdicts for KTO, and how it went.
struct preference_data {
  std::vector<prompt_tree> trees;      ///< a prompt, its samples, and an edge for each two that differ
  std::vector<prompt_tree> verdicts;   ///< one sample each, desirable or not
  index pairs = 0;                     ///< all two samples of a prompt
  index identical = 0;                 ///< of them, those with the same text: no preference
  index upheld = 0;                    ///< labels that agree with the reward
  index contrary = 0;                  ///< labels that do not
};

/// Two samples are compared by the true reward: a is preferred to b with probability σ(r(a) − r(b)), so that DPO's optimum is
/// π_ref·exp(r/β)/Z. KTO sees of each sample the outcome of one of its comparisons, drawn at random. World: reward(tokens).
template <class World> preference_data compare(const World& world, std::span<const std::vector<token>> prompts, std::span<const std::vector<std::vector<token>>> samples, std::uint64_t seed) {
  const philox labels(seed, label_stream), verdicts(seed, verdict_stream);
  preference_data data;
  std::uint64_t counter = 0, verdict = 0;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    prompt_tree tree;
    tree.prompt = prompts[p];
    for (const auto& tokens : samples[p]) tree.responses.push_back({tokens});
    const int k = static_cast<int>(samples[p].size());
    for (int a = 0; a < k; ++a)
      for (int b = a + 1; b < k; ++b, ++counter) {
        ++data.pairs;
        const auto &left = samples[p][static_cast<std::size_t>(a)], &right = samples[p][static_cast<std::size_t>(b)];
        if (left == right) {
          ++data.identical;
          continue;
        }
        const double difference = world.reward(left) - world.reward(right);
        const bool first = uniform(labels, counter) < preference_probability(difference, 0);
        tree.edges.push_back(first ? edge{a, b} : edge{b, a});
        if (difference != 0) ++((difference > 0) == first ? data.upheld : data.contrary);
      }
    for (int r = 0; r < k; ++r, ++verdict) {
      std::vector<bool> won;
      for (const edge& e : tree.edges)
        if (e.chosen == r || e.rejected == r) won.push_back(e.chosen == r);
      if (won.empty()) continue;
      const auto which = static_cast<std::size_t>(uniform(verdicts, verdict) * static_cast<double>(won.size()));
      data.verdicts.push_back({tree.prompt, {{tree.responses[static_cast<std::size_t>(r)].tokens, won[which]}}, {}});
    }
    if (!tree.edges.empty()) data.trees.push_back(std::move(tree));
  }
  return data;
}

}  // namespace tilt::program
