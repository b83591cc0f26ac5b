// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <tilt/data/pack.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/train/scores.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// What a step's samples may come to at most; memory is made for it before the first step.
struct rollout_limits {
  index trees = 0;       ///< prompts
  index samples = 1;     ///< to each
  index prompt = 0;      ///< tokens of the longest
  index new_tokens = 0;  ///< of a sample

  index responses() const { return trees * samples; }
  index tokens() const { return responses() * new_tokens; }
  /// Of a pack of trees within a budget of tokens. `whole`: responses are judged as a whole.
  pass_limits of_pack(index max_tokens, bool whole = false) const {
    const index tree = prompt + samples * (whole ? new_tokens : new_tokens - 1),
                together = std::min(trees * tree, std::max(max_tokens, tree));
    const index count = std::min(trees, together);  // a tree has a token at least
    pass_limits l;
    l.tokens = together;
    l.targets = std::min(whole ? responses() : tokens(), together + count * samples);
    l.rows = std::min(l.tokens, l.targets);
    l.segments = count * (1 + samples);
    l.path_segments = count * (1 + 2 * samples);
    l.longest = prompt + new_tokens;
    return l;
  }
  /// Makes room in packs for a step's trees.
  void reserve(tree_packs& packs, bool whole = false) const {
    packs.reserve(trees, samples, prompt + samples * new_tokens, of_pack(packs.max_tokens(), whole).targets);
  }
};

inline rollout_limits max(const rollout_limits& a, const rollout_limits& b) {
  return {std::max(a.trees, b.trees), std::max(a.samples, b.samples), std::max(a.prompt, b.prompt), std::max(a.new_tokens, b.new_tokens)};
}

/// A step's samples and all that is known of them before the policy moves: prompts as trees, one response a sample, and, response after
/// response, what policy, reference and value function say of the tokens.
template <class T> struct rollout {
  std::vector<prompt_tree> trees;
  std::vector<bool> ended;     ///< of each response: whether its last token is an end token
  std::vector<double> scores;  ///< of each response, by the reward function
  batch_scores<T> policy, reference, value;
  std::vector<prompt_tree> spare;  ///< memory of trees that a smaller step has left

  index responses() const { return policy.responses(); }
  index tokens() const { return policy.targets(); }

  /// As many trees; memory stays.
  void resize(std::size_t count) {
    for (; trees.size() > count; trees.pop_back()) spare.push_back(std::move(trees.back()));
    for (; trees.size() < count && !spare.empty(); spare.pop_back()) trees.push_back(std::move(spare.back()));
    trees.resize(count);
  }
  void reserve(const rollout_limits& l) {
    resize(static_cast<std::size_t>(l.trees));
    spare.reserve(trees.size());
    for (prompt_tree& tree : trees) {
      tree.prompt.reserve(static_cast<std::size_t>(l.prompt));
      tree.responses.resize(static_cast<std::size_t>(l.samples));
      for (response& r : tree.responses) r.tokens.reserve(static_cast<std::size_t>(l.new_tokens));
    }
    ended.reserve(static_cast<std::size_t>(l.responses()));
    scores.reserve(static_cast<std::size_t>(l.responses()));
    for (auto* s : {&policy, &reference, &value}) s->reserve(l.responses(), l.tokens(), false, true);
  }
};

/// Samples responses to prompts, step after step, with memory that is kept. The policy must outlive it.
template <class B> class response_sampler {
 public:
  explicit response_sampler(const transformer<B>& policy, generation_options options = {}) : generate_(policy, std::move(options)) {}

  /// Calls within the limits allocate nothing, if `into` has them too.
  void reserve(const rollout_limits& l) {
    requests_.reserve(static_cast<std::size_t>(l.trees));
    generate_.reserve(l.trees, l.prompt, l.samples);
  }

  /// `samples` responses to each of some prompts; the j-th to the p-th draws from stream first_sample + p·samples + j of the options' seed.
  /// Fills trees and ended.
  void operator()(std::span<const prompt_tree> prompts, std::span<const index> members, index samples, std::uint64_t first_sample,
                  rollout<typename B::scalar>& into) {
    requests_.clear();
    for (const index i : members)
      requests_.push_back(
          {prompts[static_cast<std::size_t>(i)].prompt, samples, first_sample + requests_.size() * static_cast<std::uint64_t>(samples)});
    const auto made = generate_(std::span<const generation_request>(requests_));
    into.resize(made.size());
    into.ended.clear();
    for (std::size_t p = 0; p < made.size(); ++p) {
      const prompt_tree& asked = prompts[static_cast<std::size_t>(members[p])];
      prompt_tree& tree = into.trees[p];
      tree.prompt.assign(asked.prompt.begin(), asked.prompt.end());
      tree.line = asked.line;
      tree.responses.resize(made[p].size());
      for (std::size_t j = 0; j < made[p].size(); ++j) {
        tree.responses[j].tokens.assign(made[p][j].tokens.begin(), made[p][j].tokens.end());
        into.ended.push_back(made[p][j].ended);
      }
    }
  }

 private:
  generator<B> generate_;
  std::vector<generation_request> requests_;
};

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
