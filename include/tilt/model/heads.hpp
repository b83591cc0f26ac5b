// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>
#include <tilt/model/transformer.hpp>
#include <vector>

namespace tilt {

/// What reads a decoder's last hidden states.
struct model_heads {
  bool vocabulary = true;  ///< predicts tokens
  bool value = false;      ///< a scalar of each state
};
inline constexpr model_heads language_model_heads{true, false};
/// Those of a reward model or of a value function that is a network of its own.
inline constexpr model_heads scalar_heads{false, true};

/// A model like this one under other heads, with a copy of all weights that both have. A vocabulary head that this one has not is refused
/// (input_error); a value head that it has not begins as transformers begins one, from N(0, initializer_range²), element i being draw i of
/// the seed. A model of values alone gets a token for padding if it has none: the end token, as in TRL's RewardTrainer.
template <class B> transformer<B> with_heads(const transformer<B>& model, model_heads heads, std::uint64_t seed) {
  model_config config = model.config();
  if (heads.vocabulary && !config.vocabulary_head)
    throw input_error("the model has no vocabulary head, as a reward model has none; give a language model");
  config.vocabulary_head = heads.vocabulary;
  config.value_head = heads.value;
  if (!heads.vocabulary && config.pad_token_id < 0) config.pad_token_id = config.eos_token_id;
  transformer<B> made(model.backend(), config);
  const auto parameters = model.parameters();
  for (const parameter& p : made.parameters()) {
    const auto same = std::find_if(parameters.begin(), parameters.end(), [&p](const parameter& q) { return q.name == p.name; });
    if (same != parameters.end()) {
      copy(model.backend(), model.weights() + same->offset, made.weights() + p.offset, p.count);
      continue;
    }
    std::vector<double> values(static_cast<std::size_t>(p.count));
    const philox draws(seed, 0);
    for (index i = 0; i < p.count; ++i)
      values[static_cast<std::size_t>(i)] = config.initializer_range * normal(draws, static_cast<std::uint64_t>(i));
    made.set(p, std::span<const double>(values));
  }
  return made;
}

}  // namespace tilt
