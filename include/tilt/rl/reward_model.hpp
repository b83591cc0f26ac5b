// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <span>
#include <tilt/data/pack.hpp>
#include <tilt/model/pass.hpp>
#include <tilt/rl/rollout.hpp>
#include <vector>

namespace tilt {

/// A judge of samples: writes a score for each response of the trees, in their order.
using reward_function = std::function<void(std::span<const prompt_tree> trees, std::span<double> scores)>;

/// A reward model as a judge: the value head's score on the last token of each response that is not padding. The model must have a value
/// head (throws input_error) and outlive it.
template <class B> class reward_model {
 public:
  explicit reward_model(transformer<B>& model, index max_tokens = 4096)
      : reading_(model, pass_kind::inference), packs_(max_tokens, {.whole = true, .padding = model.config().pad_token_id}) {
    if (!model.config().value_head)
      throw input_error("reward_model: the model has no value head; give one that was trained as a reward model");
  }

  /// Makes room: calls within the limits then allocate nothing.
  void reserve(const rollout_limits& l) {
    l.reserve(packs_, true);
    reading_.reserve(l.of_pack(packs_.max_tokens(), true));
  }

  void operator()(std::span<const prompt_tree> trees, std::span<double> scores) {
    packs_.clear();
    for (const prompt_tree& tree : trees) packs_.add(tree);
    std::size_t at = 0;
    for (index p = 0; p < packs_.size(); ++p) {
      reading_.forward(packs_[p]);
      for (const auto& value : reading_.values()) scores[at++] = static_cast<double>(value);
    }
  }

 private:
  pass<B> reading_;
  tree_packs packs_;
};

}  // namespace tilt
