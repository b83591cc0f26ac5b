// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "demo_data.hpp"
#include "frontier_plan.hpp"

namespace tilt::program {

/// What the methods are compared on: a language model or the sentences that make one, prompts, and a reward that is known.
struct frontier_task {
  model_config config;
  std::vector<prompt_tree> language;  ///< what the reference learns from; empty where `weights` are there
  std::vector<float> weights;         ///< of a reference that exists
  std::vector<std::vector<token>> prompts, held_out;
  index max_new_tokens = 1;
  std::function<double(const std::vector<token>&)> judge;
  std::function<bool(const std::vector<token>&)> accept;  ///< whether a text is sound: what a reward may be won without
  std::string sound;                                      ///< what such texts are called
  std::function<std::string(const std::vector<token>&)> text;
  std::shared_ptr<const demo_world> world;  ///< where all texts can be enumerated

  double reward(const std::vector<token>& tokens) const { return judge(tokens); }
  bool is_sentence(const std::vector<token>& tokens) const { return accept(tokens); }
};

/// The demo's world, whose exact optimum is known.
inline frontier_task world_task(const frontier_sizes& sizes, std::uint64_t seed) {
  frontier_task task;
  task.world = std::make_shared<demo_world>();
  const demo_world& world = *task.world;
  task.config.vocab_size = world.vocabulary();
  task.config.hidden_size = sizes.hidden;
  task.config.intermediate_size = 8 * sizes.hidden / 3;
  task.config.num_hidden_layers = 2;
  task.config.num_attention_heads = 4;
  task.config.num_key_value_heads = 2;
  task.config.head_dim = sizes.hidden / 4;
  task.config.max_position_embeddings = 16;
  task.config.eos_token_id = demo_world::full_stop;
  task.language = language_trees(world, sizes.language, seed);
  for (const auto* b : beginnings(world, false)) task.prompts.push_back(b->tokens);
  for (const auto* b : beginnings(world, true)) task.held_out.push_back(b->tokens);
  task.max_new_tokens = world.longest() + 2;
  task.judge = [of = task.world](const std::vector<token>& tokens) { return of->reward(tokens); };
  task.accept = [of = task.world](const std::vector<token>& tokens) { return of->is_sentence(tokens); };
  task.sound = "sentences";
  task.text = [of = task.world](const std::vector<token>& tokens) { return of->text(tokens); };
  return task;
}

}  // namespace tilt::program
