// SPDX-License-Identifier: Apache-2.0
// PPO on the demo's world, whose reward is known: it rises at bounded KL, and the adaptive controller holds its target.
#include <cstdio>
#include <tilt/backend/eigen.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/rl/policy_gradient_trainer.hpp>
#include <tilt/train/sft.hpp>
#include <tilt/train/trainer.hpp>

#include "../../examples/tilt/demo_data.hpp"
#include "support/catch.hpp"

namespace tilt::test {
namespace {

using B = eigen_backend<float>;
using program::demo_world;

/// The world, a small reference that has learnt its language, and prompts.
struct learnt_world {
  demo_world world;
  B backend{1};
  transformer<B> reference;
  std::vector<prompt_tree> prompts;

  learnt_world() : reference(backend, config()) {
    reference.initialize(1);
    const std::vector<prompt_tree> language = program::language_trees(world, 12, 1);
    trainer<B, sft_objective> learning(reference, sft_objective(),
                                       {.learning_rate = 3e-3,
                                        .batch_size = 16,
                                        .num_train_epochs = 1,
                                        .lr_scheduler_type = schedule_kind::cosine,
                                        .warmup_steps = 10,
                                        .adam_beta2 = 0.95});
    for (const step_report& step : learning.run(language)) (void)step;
    for (const auto* b : program::beginnings(world, false)) prompts.push_back({b->tokens});
  }
  model_config config() const {
    model_config c;
    c.vocab_size = world.vocabulary();
    c.hidden_size = 48;
    c.intermediate_size = 128;
    c.num_hidden_layers = 2;
    c.num_attention_heads = 4;
    c.num_key_value_heads = 2;
    c.head_dim = 12;
    c.max_position_embeddings = 16;
    c.eos_token_id = demo_world::full_stop;
    return c;
  }
  reward_function reward() const {
    return [this](std::span<const prompt_tree> trees, std::span<double> scores) {
      std::size_t at = 0;
      for (const prompt_tree& tree : trees)
        for (const response& r : tree.responses) scores[at++] = world.reward(r.tokens);
    };
  }
  /// Reward and KL of each step of a run.
  struct step_numbers {
    double reward, kl, kl_coef;
  };
  std::vector<step_numbers> run(const policy_gradient& method, policy_gradient_options rl, training_options training) {
    transformer<B> policy = reference.clone(), value = with_heads(reference, scalar_heads, training.seed);
    rl.max_new_tokens = world.longest() + 2;
    policy_gradient_trainer<B> trainer({policy, reference, std::holds_alternative<ppo>(method) ? &value : nullptr}, method, reward(), rl,
                                       training);
    std::vector<step_numbers> steps;
    for (const step_report& step : trainer.run(prompts))
      steps.push_back({step.metrics["objective/scores"], step.metrics["objective/kl"], trainer.kl_coef()});
    return steps;
  }
};

learnt_world& the_world() {
  static learnt_world world;
  return world;
}

double mean(std::span<const learnt_world::step_numbers> steps, double learnt_world::step_numbers::*what) {
  double sum = 0;
  for (const auto& s : steps) sum += s.*what / static_cast<double>(steps.size());
  return sum;
}

}  // namespace

TEST_CASE("ppo raises the true reward of the demo's world at bounded KL in at least 9 of 10 seeds") {
  learnt_world& w = the_world();
  int raised = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto steps = w.run(ppo{.vf_coef = 0.5}, {.num_ppo_epochs = 4, .num_mini_batches = 2, .kl_coef = 0.1},
                             {.learning_rate = 1e-3,
                              .batch_size = 112,
                              .max_steps = 30,
                              .lr_scheduler_type = schedule_kind::constant,
                              .logging_steps = 1,
                              .seed = seed});
    const auto begin = std::span(steps).first(1), end = std::span(steps).last(5);
    using numbers = learnt_world::step_numbers;
    const double before = mean(begin, &numbers::reward), after = mean(end, &numbers::reward), kl = mean(end, &numbers::kl);
    std::printf("ppo, seed %llu: reward %.3f to %.3f, KL %.2f\n", static_cast<unsigned long long>(seed), before, after, kl);
    raised += after > before + 0.5 && kl < 10 ? 1 : 0;
  }
  CHECK(raised >= 9);
}

TEST_CASE("the adaptive controller holds its target KL within a fifth") {
  learnt_world& w = the_world();
  for (const double target : {2.0, 4.0}) {
    const auto steps = w.run(
        ppo{.vf_coef = 0.5},
        {.num_ppo_epochs = 4, .num_mini_batches = 2, .kl_coef = 0.2, .adap_kl_ctrl = true, .target = target, .horizon = 500},
        {.learning_rate = 1e-3, .batch_size = 112, .max_steps = 150, .lr_scheduler_type = schedule_kind::constant, .logging_steps = 1});
    const double kl = mean(std::span(steps).last(50), &learnt_world::step_numbers::kl);
    std::printf("adaptive controller, target %g: KL %.3f over the last 50 steps, coefficient %.3f\n", target, kl, steps.back().kl_coef);
    CHECK(kl > 0.8 * target);
    CHECK(kl < 1.2 * target);
  }
}

TEST_CASE("rloo, grpo and reinforce raise it too") {
  learnt_world& w = the_world();
  using numbers = learnt_world::step_numbers;
  const training_options training{
      .learning_rate = 1e-3, .batch_size = 28, .max_steps = 40, .lr_scheduler_type = schedule_kind::constant, .logging_steps = 1};
  training_options once = training;
  once.batch_size = 112;
  const auto check = [&](const char* name, const std::vector<numbers>& steps) {
    const double before = steps[0].reward, after = mean(std::span(steps).last(5), &numbers::reward),
                 kl = mean(std::span(steps).last(5), &numbers::kl);
    std::printf("%s: reward %.3f to %.3f, KL %.2f\n", name, before, after, kl);
    CHECK(after > before + 0.5);
    CHECK(kl < 10);
  };
  check("rloo", w.run(rloo{}, {.num_generations = 4, .num_ppo_epochs = 2, .kl_coef = 0.1}, training));
  check("grpo", w.run(grpo{.beta = 0.1}, {.num_generations = 4, .num_ppo_epochs = 2}, training));
  check("reinforce", w.run(reinforce{}, {.num_ppo_epochs = 1, .kl_coef = 0.1}, once));
}

}  // namespace tilt::test
