// SPDX-License-Identifier: Apache-2.0
// The policy-gradient loop: the same bits again and after resuming, what its metrics say, early stopping, and what is refused.
#include <functional>
#include <optional>
#include <tilt/model/heads.hpp>
#include <tilt/rl/policy_gradient_trainer.hpp>
#include <tilt/tensor/reference.hpp>
#include <tilt/train/checkpoint.hpp>

#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"
#include "train/world.hpp"

namespace tilt::test {
namespace {

using B = reference_backend<double>;

std::vector<prompt_tree> some_prompts(std::size_t count) {
  std::vector<prompt_tree> prompts(count);
  for (std::size_t p = 0; p < count; ++p)
    prompts[p].prompt = {token(3 + p % 18), token(3 + (5 * p) % 18)}, prompts[p].line = static_cast<index>(p) + 1;
  return prompts;
}
/// Likes short texts with the token 7.
void judge(std::span<const prompt_tree> trees, std::span<double> scores) {
  std::size_t at = 0;
  for (const prompt_tree& tree : trees)
    for (const response& r : tree.responses)
      scores[at++] = static_cast<double>(std::count(r.tokens.begin(), r.tokens.end(), 7)) - 0.1 * static_cast<double>(r.tokens.size());
}

struct arrangement {
  policy_gradient method = ppo{};
  bool shared = false;
  policy_gradient_options rl{.max_new_tokens = 6, .num_ppo_epochs = 2, .num_mini_batches = 2};
  training_options training{
      .learning_rate = 0.01, .batch_size = 4, .max_steps = 5, .lr_scheduler_type = schedule_kind::linear, .logging_steps = 2};
};

struct result {
  std::vector<step_report> reports;
  std::vector<double> weights;
  double kl_coef = 0;
};

result go(const arrangement& a, const std::filesystem::path& resume = {}, const reward_function& reward = judge,
          const std::vector<prompt_tree>& prompts = some_prompts(10), const std::vector<prompt_tree>& held_out = {}) {
  B backend;
  model_config config = small_config();
  config.eos_token_id = 2;
  transformer<B> language(backend, config);
  language.initialize(5);
  const bool is_ppo = std::holds_alternative<ppo>(a.method);
  transformer<B> reference = language.clone(), policy = with_heads(language, {true, is_ppo && a.shared}, 1),
                 value = with_heads(language, scalar_heads, 2);
  policy_gradient_trainer<B> trainer({policy, reference, is_ppo && !a.shared ? &value : nullptr}, a.method, reward, a.rl, a.training);
  if (!a.training.output_dir.empty()) keep_checkpoints(trainer);
  std::optional<training_state<double>> state;
  if (!resume.empty()) state = read_checkpoint<double>(resume);
  result r;
  for (const step_report& step : trainer.run(prompts, held_out, state ? &*state : nullptr)) r.reports.push_back(step);
  r.weights.assign(policy.weights(), policy.weights() + policy.size());
  r.weights.insert(r.weights.end(), value.weights(), value.weights() + value.size());
  r.kl_coef = trainer.kl_coef();
  return r;
}

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const input_error& e) { return e.what(); }
  return "accepted";
}

std::vector<arrangement> every_method() {
  arrangement separate, shared, of_rloo, of_grpo, of_reinforce;
  separate.rl.adap_kl_ctrl = true;
  separate.rl.horizon = 100;
  separate.rl.use_score_scaling = separate.rl.use_score_norm = true;
  separate.rl.missing_eos_penalty = 0.5;
  shared.shared = true;
  shared.method = ppo{.entropy_coef = 0.01};
  shared.rl.whiten_rewards = true;
  of_rloo.method = rloo{};
  of_rloo.rl.num_generations = 3;
  of_grpo.method = grpo{.beta = 0.1};
  of_grpo.rl.num_generations = 2;
  of_reinforce.method = reinforce{};
  of_reinforce.rl.num_ppo_epochs = of_reinforce.rl.num_mini_batches = 1;
  return {separate, shared, of_rloo, of_grpo, of_reinforce};
}

}  // namespace

TEST_CASE("policy gradients: the same seed gives the same bits, another one others") {
  for (arrangement a : every_method()) {
    INFO(name_of(a.method));
    const result once = go(a), again = go(a);
    CHECK(once.weights == again.weights);
    a.training.seed = 7;
    CHECK(go(a).weights != once.weights);
  }
}

TEST_CASE("policy gradients: a resumed run is the uninterrupted one to the bit, from every step") {
  for (arrangement a : every_method()) {
    INFO(name_of(a.method));
    a.training.save_steps = 1;
    a.training.output_dir = scratch_folder("resume-policy-gradient").string();
    const result whole = go(a);
    REQUIRE(whole.reports.size() == 5);
    const std::filesystem::path folder = a.training.output_dir;
    a.training.save_steps = 0;
    for (const std::size_t from : {1u, 2u, 3u, 5u}) {  // within a line of the log and at its end, at an epoch's end, at the last step
      const result resumed = go(a, folder / ("checkpoint-" + std::to_string(from)));
      CHECK(resumed.weights == whole.weights);
      CHECK(resumed.kl_coef == whole.kl_coef);
      REQUIRE(resumed.reports.size() == 5 - from);
      for (std::size_t i = 0; i < resumed.reports.size(); ++i)
        for (const metric& m : whole.reports[from + i].metrics) {
          INFO("step " << from + i + 1 << " " << m.name);
          CHECK(resumed.reports[i].metrics[m.name] == m.value);
        }
    }
    a.training.learning_rate = 0.02;
    CHECK(message_of([&] { go(a, folder / "checkpoint-2"); }).find("learning_rate: ") == 0);
    a.training.learning_rate = 0.01;
    a.rl.missing_eos_penalty += 1;
    CHECK(message_of([&] { go(a, folder / "checkpoint-2"); }).find("missing_eos_penalty: ") == 0);
  }
}

TEST_CASE("policy gradients: metrics of the first step, where policy and reference are one") {
  for (arrangement a : every_method()) {
    INFO(name_of(a.method));
    a.training.logging_steps = 1;
    a.rl.num_ppo_epochs = a.rl.num_mini_batches = 1;
    const result r = go(a);
    const metric_list& first = r.reports[0].metrics;
    CHECK(first["objective/kl"] == 0);
    CHECK(first["objective/non_score_reward"] == 0);
    CHECK(first["policy/approxkl_avg"] == 0);
    CHECK(first["policy/clipfrac_avg"] == 0);
    CHECK(first["val/ratio"] == 1);
    CHECK(first["updates"] == 1);
    CHECK(first["objective/entropy"] > 0);
    CHECK(first["completions/mean_length"] >= 1);
    CHECK(first.contains("loss/value_avg") == std::holds_alternative<ppo>(a.method));
    CHECK(r.reports[4].metrics["objective/kl"] != 0);
    CHECK(r.reports[4].metrics["num_tokens"] > first["num_tokens"]);
  }
}

TEST_CASE("policy gradients: an evaluation tells of the policy's samples for other prompts, and leaves the training as it is") {
  const std::vector<prompt_tree> held_out = random_examples(7, 0, 3);
  for (arrangement a : every_method()) {
    INFO(name_of(a.method));
    const result plain = go(a);
    std::vector<std::vector<prompt_tree>> judged;
    const reward_function watching = [&](std::span<const prompt_tree> trees, std::span<double> scores) {
      judged.emplace_back(trees.begin(), trees.end());
      judge(trees, scores);
    };
    a.training.eval_on_start = true;
    a.training.eval_steps = 2;
    a.training.eval_batch_size = 3;
    const result r = go(a, {}, watching, some_prompts(10), held_out);
    CHECK(r.weights == plain.weights);
    REQUIRE(r.reports.size() == 6);
    const metric_list& before = r.reports[0].evaluation;
    CHECK(r.reports[0].step == 0);
    CHECK(before["objective/kl"] == 0);
    CHECK(before["objective/non_score_reward"] == 0);
    for (const std::size_t step : {2u, 4u, 5u}) CHECK(r.reports[step].evaluation["objective/kl"] != 0);
    for (const std::size_t step : {1u, 3u}) CHECK(r.reports[step].evaluation.empty());
    // What it tells is of the samples that were judged: those of 3, 3 and 1 prompts.
    REQUIRE(judged.size() == 3 + 5 + 9);
    double scores = 0, tokens = 0, ended = 0, samples = 0;
    for (std::size_t part = 0; part < 3; ++part)
      for (const prompt_tree& tree : judged[part]) {
        CHECK(static_cast<index>(tree.responses.size()) == a.rl.num_generations);
        std::vector<double> of_tree(tree.responses.size());
        judge({&tree, 1}, of_tree);
        for (std::size_t j = 0; j < of_tree.size(); ++j) {
          scores += of_tree[j];
          tokens += static_cast<double>(tree.responses[j].tokens.size());
          ended += tree.responses[j].tokens.back() == 2 ? 1 : 0;
          samples += 1;
        }
      }
    CHECK(close(before["objective/scores"], scores / samples, tolerance<double>::sum(64), 1));
    CHECK(close(before["completions/mean_length"], tokens / samples, tolerance<double>::sum(64), 8));
    CHECK(before["val/num_eos_tokens"] == ended);
    // The parts do not matter.
    a.training.eval_batch_size = 100;
    const result whole = go(a, {}, judge, some_prompts(10), held_out);
    for (const std::size_t step : {0u, 5u})
      for (const metric& m : whole.reports[step].evaluation)
        CHECK(close(r.reports[step].evaluation[m.name], m.value, tolerance<double>::sum(256), 8));
  }
  arrangement none;
  none.training.eval_steps = 2;
  CHECK(message_of([&] { go(none); }).find("eval_steps: there are no prompts") == 0);
  CHECK(message_of([&] { go({}, {}, judge, some_prompts(4), {prompt_tree{}}); }).find("the prompt has no tokens") == 0);
}

TEST_CASE("policy gradients: rewards rise") {
  for (arrangement a : every_method()) {
    INFO(name_of(a.method));
    a.training.max_steps = 30;
    a.training.batch_size = 10;
    a.training.logging_steps = 10;
    a.rl.kl_coef = std::holds_alternative<grpo>(a.method) ? 0.05 : 0.01;
    a.rl.adap_kl_ctrl = false;
    a.rl.horizon = 10000;
    const result r = go(a);
    CHECK(r.reports[29].metrics["objective/scores"] > r.reports[9].metrics["objective/scores"]);
  }
}

TEST_CASE("policy gradients: a step ends early where the policy has gone too far") {
  arrangement a;
  a.training.logging_steps = 1;
  a.training.learning_rate = 0.05;
  a.rl.num_ppo_epochs = 6;
  CHECK(go(a).reports[0].metrics["updates"] == 12);
  a.rl.early_stopping = true;
  a.rl.target_kl = 0.01;
  const double updates = go(a).reports[0].metrics["updates"];
  CHECK(updates >= 1);
  CHECK(updates < 12);
}

TEST_CASE("policy gradients: the options that a method does not read are those that it refuses") {
  const auto with = [](const std::function<void(policy_gradient_options&)>& give) {
    policy_gradient_options o{.num_generations = 2, .num_ppo_epochs = 1};
    give(o);
    return o;
  };
  const std::pair<const char*, policy_gradient_options> given[] = {
      {"kl_coef", with([](auto& o) { o.kl_coef = 0.1; })},
      {"kl_estimator", with([](auto& o) { o.kl = kl_estimator::k3; })},
      {"adap_kl_ctrl", with([](auto& o) { o.adap_kl_ctrl = true; })},
      {"gamma", with([](auto& o) { o.gamma = 0.9; })},
      {"lam", with([](auto& o) { o.lam = 0.9; })},
      {"whiten_rewards", with([](auto& o) { o.whiten_rewards = true; })},
      {"baseline_decay", with([](auto& o) { o.baseline_decay = 0.5; })},
      {"scale_rewards", with([](auto& o) { o.scale_rewards = reward_scale::none; })},
      {"num_ppo_epochs", with([](auto& o) { o.num_ppo_epochs = 4; })},
      {"score_clip", with([](auto& o) { o.score_clip = 1; })},
  };
  for (const policy_gradient& method :
       {policy_gradient(ppo{}), policy_gradient(rloo{}), policy_gradient(grpo{}), policy_gradient(reinforce{})})
    for (const auto& [option, options] : given) {
      INFO(name_of(method) << " " << option);
      const std::string answer = message_of([&] { options.check(method); });
      CHECK((answer == "accepted") == reads_option(method, option));
      if (!reads_option(method, option)) CHECK(answer.find(option) == 0);
    }
}

TEST_CASE("policy gradients: what cannot be used is refused by name, and nothing is learnt from scores that are not finite") {
  const auto refused = [](const std::function<void(arrangement&)>& spoil) {
    arrangement a;
    spoil(a);
    return message_of([&] { go(a); });
  };
  CHECK(refused([](arrangement&) {}) == "accepted");
  CHECK(refused([](arrangement& a) { a.method = rloo{}; }).find("num_generations: 1") == 0);
  CHECK(refused([](arrangement& a) { a.method = reinforce{}; }).find("num_ppo_epochs: 2") == 0);
  CHECK(refused([](arrangement& a) { a.method = ppo{.cliprange = 0}; }).find("cliprange: 0") == 0);
  CHECK(refused([](arrangement& a) { a.rl.gamma = 1.5; }).find("gamma: ") == 0);
  CHECK(refused([](arrangement& a) { a.rl.lam = -1; }).find("lam: ") == 0);
  CHECK(refused([](arrangement& a) { a.rl.target = 3; }).find("target: only adap_kl_ctrl") == 0);
  CHECK(refused([](arrangement& a) { a.rl.adap_kl_ctrl = true, a.rl.kl_coef = 0; }).find("kl_coef: 0") == 0);
  CHECK(refused([](arrangement& a) { a.rl.target_kl = 3; }).find("target_kl: only early_stopping") == 0);
  CHECK(refused([](arrangement& a) { a.rl.use_score_norm = true; }).find("use_score_norm: ") == 0);
  CHECK(refused([](arrangement& a) { a.rl.score_clip = -1; }).find("score_clip: ") == 0);
  CHECK(refused([](arrangement& a) { a.rl.scale_rewards = reward_scale::none; }).find("scale_rewards: ppo does not use it") == 0);
  CHECK(refused([](arrangement& a) {
          a.method = grpo{}, a.rl.num_generations = 2, a.rl.kl_coef = 0.1;
        }).find("kl_coef: grpo does not use it") == 0);
  CHECK(refused([](arrangement& a) { a.method = rloo{}, a.rl.num_generations = 2, a.rl.lam = 0.5; }).find("lam: rloo does not use it") ==
        0);
  CHECK(refused([](arrangement& a) { a.rl.max_new_tokens = 48; }).find("max_new_tokens: line 1: the prompt has 2 tokens") == 0);
  CHECK(message_of([] { go({}, {}, judge, {prompt_tree{}}); }).find("the prompt has no tokens") == 0);
  CHECK(refused([](arrangement& a) { a.rl.max_new_tokens = 0; }).find("max_new_tokens: 0") == 0);
  CHECK(refused([](arrangement& a) { a.training.kl_budget = 1; }).find("kl_budget: ") == 0);

  B backend;
  transformer<B> language(backend, small_config());
  transformer<B> reference = language.clone(), scalar = with_heads(language, scalar_heads, 1), both = with_heads(language, {true, true}, 1);
  const auto with = [&](policy_models<B> models, policy_gradient method, reward_function reward = judge) {
    return message_of([&] { policy_gradient_trainer<B>(models, method, reward, {.num_generations = 2}, {}); });
  };
  CHECK(with({language, reference, &scalar}, ppo{}) == "accepted");
  CHECK(with({both, reference}, ppo{}) == "accepted");
  CHECK(with({language, reference}, ppo{}).find("value_model: ppo needs a value function") == 0);
  CHECK(with({both, reference, &scalar}, ppo{}).find("value_model: the policy has a value head of its own") == 0);
  CHECK(with({language, reference, &both}, ppo{}).find("value_model: the network must have a value head and no other") == 0);
  CHECK(with({language, reference, &scalar}, rloo{}).find("value_model: rloo has no value function") == 0);
  CHECK(with({scalar, reference}, ppo{}).find("model: ") == 0);
  CHECK(with({both, reference}, ppo{}, {}).find("reward: ") == 0);
  CHECK_THROWS_AS(reward_model<B>(language), input_error);
  arrangement a;
  CHECK_THROWS_AS(go(a, {}, [](std::span<const prompt_tree>, std::span<double> scores) { scores[1] = std::nan(""); }), numeric_error);
}

TEST_CASE("a reward model as judge gives the scores of the texts it reads") {
  B backend;
  transformer<B> language(backend, small_config());
  language.initialize(3);
  transformer<B> model = with_heads(language, scalar_heads, 4);
  std::vector<prompt_tree> trees = random_examples(5, 3, 2);
  reward_model<B> one(model, 4096), many(model, 8);
  std::vector<double> a(15), b(15);
  one(trees, a);
  many(trees, b);
  CHECK(a == b);
  std::vector<double> alone(3);
  one(std::span(trees).subspan(2, 1), alone);
  CHECK(std::vector<double>(a.begin() + 6, a.begin() + 9) == alone);
}

}  // namespace tilt::test
