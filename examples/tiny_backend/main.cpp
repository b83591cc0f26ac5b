// SPDX-License-Identifier: Apache-2.0
// A language model trained by DPO on a backend of a page: the model learns which of two words answers each question. Everything but
// tiny_backend.hpp is the library's.
#include <cstdio>
#include <tilt/loss/dpo.hpp>
#include <tilt/train/preference.hpp>
#include <vector>

#include "tiny_backend.hpp"

int main() {
  tilt::model_config config;
  config.vocab_size = 16;
  config.hidden_size = 24;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.max_position_embeddings = 16;

  tiny::backend<float> backend;
  tilt::transformer<tiny::backend<float>> policy(backend, config);
  policy.initialize(1);

  // Token 0 begins, 1 ends; a question is a number from 2 to 8, its answer the number seven above, and the wrong one is anything else.
  std::vector<tilt::prompt_tree> pairs;
  for (tilt::token question = 2; question < 9; ++question)
    for (tilt::token wrong = 9; wrong < 16; ++wrong) {
      if (wrong == question + 7) continue;
      tilt::prompt_tree tree;
      tree.prompt = {0, question};
      tree.responses = {{{question + 7, 1}, true}, {{wrong, 1}, false}};
      tree.edges = {{0, 1}};
      pairs.push_back(tree);
    }

  auto trainer =
      tilt::preference_trainer(policy, tilt::dpo{.beta = 0.1},
                               {.learning_rate = 5e-3, .batch_size = 14, .max_steps = 60, .logging_steps = 20, .logging_first_step = true});
  double accuracy = 0;
  for (const tilt::step_report& step : trainer.run(pairs)) {
    if (!step.logged) continue;
    accuracy = step.metrics["rewards/accuracies"];
    std::printf("step %2td  loss %.4f  pairs in order %.0f %%\n", step.step, step.metrics["loss"], 100 * accuracy);
  }
  return accuracy > 0.99 ? 0 : 1;
}
