// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <tilt/train/reward.hpp>

#include "commands.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Examples are pairs or rankings, as for tilt dpo; a pair may have a "margin" that the chosen response's score is to be ahead by. The end token
is appended. --model is a language model, on which a new head is put, or a reward model, whose training goes on. The result is a folder that
transformers loads as a sequence classifier with one label; tilt score --reward-model and tilt ppo read it.

  tilt reward --model SmolLM2 --train pairs.jsonl --eval held_out.jsonl --output SmolLM2-reward --learning-rate 1e-4
  tilt score --reward-model SmolLM2-reward --data held_out.jsonl)";

struct reward_command {
  explicit reward_command(CLI::App& app) : options(app) {
    run.options.learning_rate = 1e-4;
    run.drop_longer = true;
    add_run(options, run, false, [this] {
      options.add("center_rewards_coefficient", loss.center_rewards_coefficient,
                  "of the squared sum of a pair's scores, which keeps them around 0");
    });
  }

  settings options;
  run_choice run;
  bradley_terry loss;
};

}  // namespace

void add_reward(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("reward", "Train a reward model on pairs of a chosen and a rejected response");
  app.footer(more);
  const auto command = std::make_shared<reward_command>(app);
  app.callback([&chosen, command] {
    chosen = [command] {
      return run_training(command->options, command->run,
                          [command](training_job& job) { job.objective = choice_of(data_shape::pairs, reward_objective(command->loss)); });
    };
  });
}

}  // namespace tilt::program
