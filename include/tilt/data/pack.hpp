// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <tilt/data/prompt_tree.hpp>
#include <tilt/error.hpp>
#include <tilt/tensor/packed_trees.hpp>
#include <vector>

namespace tilt {

/// What of a response is a target.
struct target_rule {
  bool whole = false;   ///< false: each of its tokens, which the state before it predicts; true: the response, judged by its last state
  token padding = -1;   ///< passed over at the end of what is judged, as transformers passes over a batch's padding; -1: nothing is
};

/// Tokens up to the last that is not padding.
inline std::span<const token> without_padding(std::span<const token> tokens, token padding) {
  while (!tokens.empty() && tokens.back() == padding) tokens = tokens.first(tokens.size() - 1);
  return tokens;
}

/// Appends a prompt and some responses to a pack: the prompt once, then what follows of each response. The last prompt token predicts
/// the first token of every response; a response's last token is predicted but predicts nothing, so it is not laid down at all. Responses
/// that are judged as a whole are laid down up to the last token that is not padding, whose state is their one target (the prompt's last
/// where all is padding). Responses without tokens or a prompt without tokens: throws input_error naming the line. O(tokens).
inline void append_tree(packed_trees& pack, std::span<const token> prompt, std::span<const std::span<const token>> responses, index line = 0,
                        const target_rule& rule = {}) {
  const auto refuse = [line](const char* what) {
    const std::string where = line > 0 ? "line " + std::to_string(line) + ": " : "";
    throw input_error(where + what);
  };
  if (prompt.empty()) refuse("the prompt has no tokens, so nothing predicts the first token of the response; begin it with a BOS token");
  if (responses.empty()) refuse("the prompt has no responses; leave it out");
  const auto lay_down = [&pack](std::span<const token> tokens, int parent, index position) {
    pack.segments.push_back({pack.tokens(), static_cast<index>(tokens.size()), parent, position});
    pack.ids.insert(pack.ids.end(), tokens.begin(), tokens.end());
  };
  const int root = static_cast<int>(pack.segments.size());
  lay_down(prompt, -1, 0);
  const index last_of_prompt = pack.tokens() - 1;
  for (const std::span<const token> tokens : responses) {
    if (tokens.empty()) refuse("a response has no tokens; leave the example out");
    if (rule.whole) {
      const std::span<const token> judged = without_padding(tokens, rule.padding);
      if (!judged.empty()) lay_down(judged, root, static_cast<index>(prompt.size()));
      pack.targets.push_back({judged.empty() ? last_of_prompt : pack.tokens() - 1, tokens.back()});
      pack.response_begin.push_back(static_cast<index>(pack.targets.size()));
      continue;
    }
    pack.targets.push_back({last_of_prompt, tokens[0]});
    if (tokens.size() > 1) {
      const index first = pack.tokens();
      lay_down(tokens.first(tokens.size() - 1), root, static_cast<index>(prompt.size()));
      for (std::size_t t = 1; t < tokens.size(); ++t) pack.targets.push_back({first + static_cast<index>(t) - 1, tokens[t]});
    }
    pack.response_begin.push_back(static_cast<index>(pack.targets.size()));
  }
}

/// The same, for all responses of a tree.
inline void append_tree(packed_trees& pack, const prompt_tree& tree) {
  std::vector<std::span<const token>> responses;
  for (const response& r : tree.responses) responses.push_back(r.tokens);
  append_tree(pack, tree.prompt, responses, tree.line);
}

/// Trees laid into packs of at most a budget of tokens, in order and greedily: a tree goes into the current pack if it fits, else opens
/// the next. No tree is split; one that is larger than the budget is a pack of its own. Memory is kept from one use to the next.
class tree_packs {
 public:
  explicit tree_packs(index max_tokens, target_rule rule = {}) : max_tokens_(max_tokens), rule_(rule) {
    if (max_tokens <= 0) throw input_error("max_tokens: " + std::to_string(max_tokens) + " is no budget of tokens; give a positive number");
  }

  index max_tokens() const { return max_tokens_; }

  /// Makes room: so many trees with responses each, whose tokens are `tokens` at most, and `targets` of a pack.
  void reserve(index trees, index responses, index tokens, index targets) {
    const index pack = std::min(trees * tokens, std::max(max_tokens_, tokens)), count = std::min(trees, pack);
    const auto size = [](index n) { return static_cast<std::size_t>(n); };
    // Two packs side by side exceed the budget together.
    packs_.resize(std::max(packs_.size(), size(std::min(trees, 2 * trees * tokens / max_tokens_ + 1))));
    tree_begin_.resize(std::max(tree_begin_.size(), packs_.size() + 1));
    for (packed_trees& p : packs_) {
      p.ids.reserve(size(pack));
      p.segments.reserve(size(count * (1 + responses)));
      p.targets.reserve(size(targets));
      p.response_begin.reserve(size(count * responses + 1));
    }
    tree_responses_.reserve(size(trees));
    responses_.reserve(size(responses));
  }

  void clear() {
    used_ = 0;
    trees_ = 0;
    tree_responses_.clear();
  }

  void add(std::span<const token> prompt, std::span<const std::span<const token>> responses, index line = 0) {
    index tokens = static_cast<index>(prompt.size());
    for (const std::span<const token> r : responses) tokens += rule_.whole ? static_cast<index>(without_padding(r, rule_.padding).size()) : static_cast<index>(r.size()) - 1;
    if (used_ == 0 || packs_[used_ - 1].tokens() + tokens > max_tokens_) open();
    append_tree(packs_[used_ - 1], prompt, responses, line, rule_);
    tree_begin_[used_] = ++trees_;
    tree_responses_.push_back(static_cast<index>(responses.size()));
  }
  void add(const prompt_tree& tree) {
    responses_.clear();
    for (const response& r : tree.responses) responses_.push_back(r.tokens);
    add(tree.prompt, responses_, tree.line);
  }

  index size() const { return static_cast<index>(used_); }
  const packed_trees& operator[](index pack) const { return packs_[static_cast<std::size_t>(pack)]; }
  /// Pack p holds the trees [first_tree(p), first_tree(p + 1)), counted from the first that was added.
  index first_tree(index pack) const { return tree_begin_[static_cast<std::size_t>(pack)]; }
  index trees() const { return trees_; }
  index responses_of(index tree) const { return tree_responses_[static_cast<std::size_t>(tree)]; }

 private:
  void open() {
    if (tree_begin_.empty()) tree_begin_.push_back(0);
    if (used_ == packs_.size()) {
      packs_.emplace_back();
      tree_begin_.push_back(0);
    }
    packs_[used_].clear();
    tree_begin_[used_] = trees_;
    ++used_;
  }

  index max_tokens_;
  target_rule rule_;
  std::vector<packed_trees> packs_;
  std::vector<index> tree_begin_, tree_responses_;
  std::vector<std::span<const token>> responses_;
  std::size_t used_ = 0;
  index trees_ = 0;
};

}  // namespace tilt
