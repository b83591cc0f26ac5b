// SPDX-License-Identifier: Apache-2.0
// What a translation unit costs that holds the whole trainer, with its model, on one backend.
#include <tilt/backend/eigen.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/train/preference.hpp>

double train(const tilt::model_config& config, const std::vector<tilt::prompt_tree>& examples);
double train(const tilt::model_config& config, const std::vector<tilt::prompt_tree>& examples) {
  tilt::eigen_backend<float> backend;
  tilt::transformer policy(backend, config);
  policy.initialize(1);
  auto trainer = tilt::preference_trainer(policy, tilt::dpo{.beta = 0.1}, {.learning_rate = 1e-6});
  double epochs = 0;
  for (const tilt::step_report& step : trainer.run(examples)) epochs = step.epoch;
  return epochs;
}
