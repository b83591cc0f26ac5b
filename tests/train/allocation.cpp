// SPDX-License-Identifier: Apache-2.0
// Whole training steps in a program that counts every allocation of the process.
#include "support/catch.hpp"
#include "support/counting_malloc.hpp"
#include "world.hpp"
#include <cstdlib>
#include <new>
#include <tilt/backend/eigen.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/rl/policy_gradient_trainer.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/mixed_objective.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

namespace {

using tilt::test::allocations;

/// The small model, or one whose products are large enough to be shared among threads.
tilt::model_config config(bool wide) {
  tilt::model_config c = tilt::test::small_config();
  if (!wide) return c;
  c.vocab_size = 700;
  c.hidden_size = 96;
  c.intermediate_size = 160;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 24;
  return c;
}

/// Allocations in each step of a run.
template <class Trainer> std::vector<long> allocations_of(Trainer& trainer, const std::vector<tilt::prompt_tree>& examples) {
  std::vector<long> counts;
  counts.reserve(100);
  auto run = trainer.run(examples);
  long before = allocations();
  for (const tilt::step_report& step : run) {
    (void)step;
    counts.push_back(allocations() - before);
    before = allocations();
  }
  return counts;
}

/// The same of a run of the one training loop.
template <class B, class Objective>
std::vector<long> count(B& backend, const tilt::model_config& model, const Objective& objective, const tilt::training_options& options, const std::vector<tilt::prompt_tree>& examples) {
  tilt::transformer<B> policy(backend, model);
  policy.initialize(5);
  tilt::trainer<B, tilt::any_objective<typename B::scalar>> trainer(policy, objective, options);  // which allocates for itself once
  return allocations_of(trainer, examples);
}

template <class B> void check_steps(B&& backend, bool wide = false) {
  using backend_type = std::remove_cvref_t<B>;
  const auto check = [&](const auto& objective, int responses, const tilt::training_options& options) {
    const auto counts = count<backend_type>(backend, config(wide), objective, options, tilt::test::random_examples(21, responses, 1));
    REQUIRE(counts.size() > 6);
    for (std::size_t step = 1; step < counts.size(); ++step) {
      INFO(objective.name() << ", max_tokens " << options.max_tokens << ", " << (options.reference == tilt::reference_mode::online ? "online" : "cached") << ", step " << step + 1);
      CHECK(counts[step] == 0);
    }
  };
  for (const bool shuffle : {false, true})
    for (const tilt::index max_tokens : {1, 20, 4096}) {
      tilt::training_options options{.batch_size = 4, .gradient_accumulation_steps = 2, .num_train_epochs = 3, .logging_steps = 2, .shuffle = shuffle, .max_tokens = max_tokens};
      check(tilt::sft_objective{}, 1, options);
      for (const auto reference : {tilt::reference_mode::cached, tilt::reference_mode::online}) {
        options.reference = reference;
        check(tilt::preference_objective(tilt::dpo{}, {.ld_alpha = 0.5}), 2, options);
        check(tilt::mixed_objective<float>().add(tilt::preference_objective(tilt::dpo{})).add(tilt::preference_objective(tilt::ipo{}, {.loss_weight = 0.5})), 2, options);
        check(tilt::labelled_objective(tilt::kto{}), 1, options);
      }
    }
}

/// Allocations in each step of a policy-gradient run, whose epochs end with a smaller step and whose samples end when they will.
template <class B>
std::vector<long> count(B& backend, const tilt::policy_gradient& method, bool shares_value, bool learned_reward, tilt::index max_tokens) {
  tilt::model_config c = config(false);
  c.eos_token_id = 2;
  tilt::transformer<B> language(backend, c);
  language.initialize(5);
  const bool is_ppo = std::holds_alternative<tilt::ppo>(method);
  tilt::transformer<B> reference = language.clone(), policy = tilt::with_heads(language, {true, is_ppo && shares_value}, 1), value = tilt::with_heads(language, tilt::scalar_heads, 2),
                       judging = tilt::with_heads(language, tilt::scalar_heads, 3);
  tilt::reward_model<B> judge(judging, max_tokens);
  const tilt::reward_function by_rule = [](std::span<const tilt::prompt_tree> trees, std::span<double> scores) {
    std::size_t at = 0;
    for (const tilt::prompt_tree& tree : trees)
      for (const tilt::response& r : tree.responses) scores[at++] = static_cast<double>(r.tokens.size() % 5);
  };
  const tilt::reward_function by_model = [&judge](std::span<const tilt::prompt_tree> trees, std::span<double> scores) { judge(trees, scores); };
  const bool groups = std::holds_alternative<tilt::rloo>(method) || std::holds_alternative<tilt::grpo>(method), once = std::holds_alternative<tilt::reinforce>(method);
  const tilt::policy_gradient_options rl{.num_generations = groups ? 3 : 1,
                                         .max_new_tokens = 11,
                                         .num_ppo_epochs = once ? 1 : 2,
                                         .num_mini_batches = once ? 1 : 2,
                                         .adap_kl_ctrl = is_ppo,
                                         .whiten_rewards = is_ppo,
                                         .missing_eos_penalty = 1,
                                         .use_score_scaling = true};
  const tilt::training_options options{.learning_rate = 1e-2, .batch_size = 4, .gradient_accumulation_steps = 2, .max_steps = 20, .logging_steps = 3, .max_tokens = max_tokens};
  tilt::policy_gradient_trainer<B> trainer({policy, reference, is_ppo && !shares_value ? &value : nullptr}, method, learned_reward ? by_model : by_rule, rl, options);
  std::vector<tilt::prompt_tree> prompts = tilt::test::random_examples(21, 0, 1);
  judge.reserve(trainer.limits(prompts));
  return allocations_of(trainer, prompts);
}

template <class B> void check_policy_steps(B&& backend) {
  using backend_type = std::remove_cvref_t<B>;
  struct one {
    const char* what;
    tilt::policy_gradient method;
    bool shares_value = false, learned_reward = false;
  };
  const one all[] = {{"ppo", tilt::ppo{}, false, true}, {"ppo, a shared value function", tilt::ppo{.entropy_coef = 0.01}, true, false}, {"grpo", tilt::grpo{.beta = 0.1}, false, true}, {"rloo", tilt::rloo{}}, {"reinforce", tilt::reinforce{}}};
  for (const one& c : all)
    for (const tilt::index max_tokens : {20, 4096}) {
      const auto counts = count<backend_type>(backend, c.method, c.shares_value, c.learned_reward, max_tokens);
      REQUIRE(counts.size() == 20);
      for (std::size_t step = 1; step < counts.size(); ++step) {
        INFO(c.what << ", max_tokens " << max_tokens << ", step " << step + 1);
        CHECK(counts[step] == 0);
      }
    }
}

struct allocating_row {
  void** kept;
  template <class Team> void operator()(const Team&, tilt::index row) const { kept[row] = std::malloc(10); }
};

}  // namespace

TEST_CASE("a training step after the first allocates nothing on the reference backend") {
  if (!tilt::test::counts_allocations()) TILT_SKIP("malloc cannot be counted in this build");
  check_steps(tilt::reference_backend<float>());
}
TEST_CASE("a training step after the first allocates nothing on Eigen's") {
  if (!tilt::test::counts_allocations()) TILT_SKIP("malloc cannot be counted in this build");
  for (const int threads : {1, 2})
    for (const bool wide : {false, true}) check_steps(tilt::eigen_backend<float>(threads), wide);
}

TEST_CASE("a policy-gradient step after the first allocates nothing, from its samples to its update") {
  if (!tilt::test::counts_allocations()) TILT_SKIP("malloc cannot be counted in this build");
  check_policy_steps(tilt::reference_backend<float>());
  for (const int threads : {1, 2}) check_policy_steps(tilt::eigen_backend<float>(threads));
}

TEST_CASE("the counter counts, on other threads too") {
  if (!tilt::test::counts_allocations()) TILT_SKIP("malloc cannot be counted in this build");
  tilt::eigen_backend<float> backend(2);
  void* kept[8];
  const long before = allocations();
  backend.rows(8, allocating_row{kept});
  const long rows = allocations();
  void* const one = ::operator new(3);
  const long after = allocations();
  ::operator delete(one);
  for (void* p : kept) std::free(p);
  CHECK(rows - before == 8);
  CHECK(after - rows == 1);
}
