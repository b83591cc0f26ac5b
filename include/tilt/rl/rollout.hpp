// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <tilt/data/pack.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/train/scores.hpp>
#include <vector>

namespace tilt {

/// A step's samples and all that is known of them before the policy moves: prompts as trees, one response a sample, and, response after
/// response, what policy, reference and value function say of the tokens.
template <class T> struct rollout {
  std::vector<prompt_tree> trees;
  std::vector<bool> ended;     ///< of each response: whether its last token is an end token
  std::vector<double> scores;  ///< of each response, by the reward function
  batch_scores<T> policy, reference, value;

  index responses() const { return policy.responses(); }
  index tokens() const { return policy.targets(); }
};

/// Samples `samples` responses to each prompt; the j-th to the p-th draws from stream first_sample + p·samples + j of the options' seed.
/// Fills trees and ended. Allocates.
template <class B>
void sample_responses(const transformer<B>& policy, std::span<const prompt_tree> prompts, std::span<const index> members, index samples,
                      const generation_options& options, std::uint64_t first_sample, rollout<typename B::scalar>& into) {
  std::vector<generation_request> requests;
  for (const index i : members)
    requests.push_back(
        {prompts[static_cast<std::size_t>(i)].prompt, samples, first_sample + requests.size() * static_cast<std::uint64_t>(samples)});
  const auto generated = generate(policy, std::span<const generation_request>(requests), options);
  into.trees.clear();
  into.ended.clear();
  for (std::size_t p = 0; p < generated.size(); ++p) {
    const prompt_tree& asked = prompts[static_cast<std::size_t>(members[p])];
    prompt_tree tree;
    tree.prompt = asked.prompt;
    tree.line = asked.line;
    for (const auto& sample : generated[p]) {
      tree.responses.push_back({sample.tokens});
      into.ended.push_back(sample.ended);
    }
    into.trees.push_back(std::move(tree));
  }
}

/// What a model says of every token of the trees' responses, in their order.
template <class B>
void read_responses(pass<B>& reading, tree_packs& packs, std::span<const prompt_tree> trees, batch_scores<typename B::scalar>& into) {
  packs.clear();
  into.clear();
  for (const prompt_tree& tree : trees) packs.add(tree);
  for (index p = 0; p < packs.size(); ++p) {
    reading.forward(packs[p]);
    into.append(reading, packs[p]);
  }
}

}  // namespace tilt
