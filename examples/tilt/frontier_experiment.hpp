// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <time.h>

#include <optional>
#include <tilt/exception.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/rl/policy_gradient_trainer.hpp>
#include <tilt/train/calibration.hpp>
#include <tilt/train/reward.hpp>
#include <tilt/train/sft.hpp>
#include <utility>

#include "frontier_measure.hpp"

namespace tilt::program {

/// What all trainings of a seed share: judged samples of the reference, and the reward model that was trained on them.
struct frontier_preferences {
  preference_data data;
  std::vector<prompt_tree> lists;  ///< two disjoint pairs of a prompt's samples, each with the other's loser as a bad answer besides
  std::vector<float> judge;        ///< the reward model's weights
};

/// Seconds that this thread has computed.
inline double thread_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The comparison's stages and cells, one at a time, on a backend of its own: several of these work side by side. What each makes is a function
/// of the task, the sizes and the seed alone.
template <class B> class frontier_experiment {
  static_assert(std::same_as<typename B::scalar, float>);

 public:
  frontier_experiment(B& backend, const frontier_task& task, const frontier_sizes& sizes, std::uint64_t seed)
      : task_(&task), sizes_(sizes), seed_(seed), reference_(backend, task.config) {}

  /// Weights of the reference: those that there are, or what the language teaches.
  std::vector<float> learn_language() {
    if (task_->weights.empty()) {
      reference_.initialize(seed_);
      trainer<B, any_objective<float>> learning(reference_, sft_objective(),
                                                {.learning_rate = 2e-3,
                                                 .batch_size = 16,
                                                 .num_train_epochs = 2,
                                                 .lr_scheduler_type = schedule_kind::cosine,
                                                 .warmup_steps = 10,
                                                 .adam_beta2 = 0.95,
                                                 .seed = seed_});
      for (const step_report& step : learning.run(task_->language)) (void)step;
      return weights_of(reference_);
    }
    return task_->weights;
  }
  void take_reference(const std::vector<float>& weights) { put(weights, reference_); }
  transformer<B>& reference() { return reference_; }

  rival_rewards rivals() {
    rival_rewards rewards;
    for (const auto& of_prompt : pool(fresh(rival_stream))) {
      rewards.emplace_back();
      for (const auto& tokens : of_prompt) rewards.back().push_back(task_->reward(tokens));
      std::sort(rewards.back().begin(), rewards.back().end());
    }
    return rewards;
  }
  frontier_result stand_of_reference(const rival_rewards& rivals) {
    return stand(*task_, rivals, reference_, reference_, sizes_.pool, fresh(measuring_stream));
  }

  /// Samples of the reference for the training prompts, compared by drawn labels.
  frontier_preferences compare_samples(index seed) {
    frontier_preferences made;
    std::vector<std::vector<token>> prompts;
    for (index c = 0; c < sizes_.comparisons; ++c) prompts.insert(prompts.end(), task_->prompts.begin(), task_->prompts.end());
    made.data = judged(prompts, seed, comparison_stream);
    for (const prompt_tree& tree : made.data.trees) {
      const edge *first = nullptr, *second = nullptr;
      for (const edge& e : tree.edges) {
        const auto is = [&e](int a, int b) { return std::min(e.chosen, e.rejected) == a && std::max(e.chosen, e.rejected) == b; };
        if (is(0, 1)) first = &e;
        if (is(2, 3)) second = &e;
      }
      const auto text = [&tree](int r) { return tree.responses[static_cast<std::size_t>(r)]; };
      for (const auto& [pair, other] : {std::pair{first, second}, {second, first}})
        if (pair != nullptr && other != nullptr)
          made.lists.push_back({tree.prompt, {text(pair->chosen), text(pair->rejected), text(other->rejected)}, {}});
    }
    return made;
  }
  /// Trains the seed's reward model, or takes its weights, and tells how good it is on pairs for the held-out prompts.
  judge_result learn_reward(index seed, frontier_preferences& preferences) {
    const double begun = thread_seconds();
    transformer<B> model = with_heads(reference_, scalar_heads, stream(seed, judge_stream));
    auto learning = reward_trainer(model, {.center_rewards_coefficient = 0.01},
                                   {.learning_rate = sizes_.judge_learning_rate,
                                    .batch_size = sizes_.batch,
                                    .num_train_epochs = static_cast<double>(sizes_.judge_epochs),
                                    .lr_scheduler_type = schedule_kind::cosine,
                                    .warmup_steps = 10,
                                    .adam_beta2 = 0.95,
                                    .seed = stream(seed, judge_stream)});
    for (const step_report& step : learning.run(preferences.data.trees)) (void)step;
    preferences.judge = weights_of(model);
    judge_result r{.seconds = thread_seconds() - begun};

    const preference_data held_out = judged(many(task_->held_out, 8), seed, held_out_stream);
    std::vector<double> scores, margins;
    for (const prompt_tree& tree : held_out.trees) scores.resize(scores.size() + tree.responses.size());
    reward_model<B> judging(model);
    judging(held_out.trees, scores);
    std::size_t first = 0;
    double right = 0;
    for (const prompt_tree& tree : held_out.trees) {
      for (const edge& e : tree.edges) {
        const auto true_reward = [&](int which) { return task_->reward(tree.responses[static_cast<std::size_t>(which)].tokens); };
        margins.push_back(scores[first + static_cast<std::size_t>(e.chosen)] - scores[first + static_cast<std::size_t>(e.rejected)]);
        right += true_reward(e.chosen) > true_reward(e.rejected) ? 1 : true_reward(e.chosen) == true_reward(e.rejected) ? 0.5 : 0;
      }
      first += tree.responses.size();
    }
    const calibration c = calibrate(margins);
    r.pairs = static_cast<double>(c.pairs);
    r.accuracy = c.accuracy.value, r.accuracy_low = c.accuracy.low, r.accuracy_high = c.accuracy.high;
    r.attainable = right / r.pairs;
    r.brier = c.brier, r.calibration_error = c.expected_calibration_error;
    return r;
  }
  index judge_size() const { return with_heads(reference_, scalar_heads, 0).size(); }

  /// One policy, had and measured.
  frontier_result run(const frontier_cell& cell, const frontier_preferences& preferences, const rival_rewards& rivals) {
    if (cell.method->kind == frontier_kind::best_of) return choose_best(cell, preferences, rivals);
    const index held_before = restart_meter();
    transformer<B> policy = reference_.clone();
    const double begun = thread_seconds();
    const index apart = cell.method->kind == frontier_kind::policy_gradient ? 0 : held_before;  // others do without the reference
    frontier_result work;
    try {
      work = cell.method->kind == frontier_kind::offline           ? learn_offline(cell, preferences, policy)
             : cell.method->kind == frontier_kind::policy_gradient ? learn_by_policy_gradient(cell, preferences, policy)
                                                                   : differentiate_samples(cell, policy);
    } catch (const numeric_error&) { return {.updates = work.updates, .seconds = thread_seconds() - begun}; }
    work.seconds = thread_seconds() - begun;
    work.specimen.bytes = most_held() - static_cast<double>(apart);
    frontier_result r = stand(*task_, rivals, policy, reference_, sizes_.samples, generation(stream(cell.seed, measuring_stream)));
    r.updates = work.updates, r.texts = work.texts, r.seconds = work.seconds, r.specimen.bytes = work.specimen.bytes;
    return r;
  }

 private:
  static constexpr index samples_compared = 4;
  enum what_is_drawn : std::uint64_t {
    comparison_stream = 1,
    held_out_stream,
    judge_stream,
    training_stream,
    measuring_stream,
    rival_stream,
    pool_stream
  };

  /// A seed for one thing of one of the comparison's seeds.
  std::uint64_t stream(index seed, std::uint64_t what) const { return seed_ * 1024 + static_cast<std::uint64_t>(seed) * 16 + what; }
  generation_options generation(std::uint64_t seed) const { return {.max_new_tokens = task_->max_new_tokens, .seed = seed}; }
  generation_options fresh(std::uint64_t what) const { return generation(stream(0, what)); }

  static std::vector<float> weights_of(const transformer<B>& model) {
    std::vector<float> weights(static_cast<std::size_t>(model.size()));
    model.backend().copy_out(model.weights(), model.size(), weights.data());
    return weights;
  }
  static void put(const std::vector<float>& weights, transformer<B>& model) {
    model.backend().copy_in(weights.data(), model.size(), model.weights());
  }
  static std::vector<std::vector<token>> many(const std::vector<std::vector<token>>& prompts, index times) {
    std::vector<std::vector<token>> all;
    for (index i = 0; i < times; ++i) all.insert(all.end(), prompts.begin(), prompts.end());
    return all;
  }

  preference_data judged(const std::vector<std::vector<token>>& prompts, index seed, std::uint64_t what) {
    const std::uint64_t own = stream(seed, what);
    return compare(*task_, prompts,
                   tokens_of(generate(reference_, std::span<const std::vector<token>>(prompts), samples_compared, generation(own))), own);
  }
  std::vector<std::vector<std::vector<token>>> pool(const generation_options& options) {
    return tokens_of(generate(reference_, std::span<const std::vector<token>>(task_->held_out), sizes_.pool, options));
  }
  /// What best-of-N chooses from, kept for the next cell of the seed.
  struct pool_of_seed {
    index seed = 0;
    std::vector<std::vector<std::vector<token>>> samples;
    double seconds = 0, bytes = 0;
  };
  const pool_of_seed& best_of_pool(index seed) {
    if (pool_.seed != seed) {
      const double begun = thread_seconds();
      restart_meter();
      pool_ = {seed, pool(generation(stream(seed, pool_stream)))};
      pool_.seconds = thread_seconds() - begun, pool_.bytes = most_held();
    }
    return pool_;
  }

  /// Bytes that the backend holds now, from which `most_held` counts on; 0 and NaN for a backend that does not count.
  index restart_meter() {
    if constexpr (requires(B & b) { b.meter(); }) {
      reference_.backend().meter().restart();
      return reference_.backend().meter().held;
    }
    return 0;
  }
  double most_held() {
    if constexpr (requires(B & b) { b.meter(); }) return static_cast<double>(reference_.backend().meter().highest);
    return std::numeric_limits<double>::quiet_NaN();
  }

  /// A seed's reward model.
  struct learned_reward {
    learned_reward(const frontier_experiment& of, const frontier_preferences& preferences)
        : network(with_heads(of.reference_, scalar_heads, 0)), model(network) {
      put(preferences.judge, network);
    }
    transformer<B> network;
    reward_model<B> model;
  };

  /// The large epsilon leaves weights alone whose gradient is noise: otherwise Adam moves all of them alike, and with them the texts that
  /// are in no example.
  frontier_result learn_offline(const frontier_cell& cell, const frontier_preferences& preferences, transformer<B>& policy) {
    const frontier_method& m = *cell.method;
    const auto& examples = m.data == frontier_data::pairs      ? preferences.data.trees
                           : m.data == frontier_data::verdicts ? preferences.data.verdicts
                                                               : preferences.lists;
    const index together = sizes_.batch * (m.data == frontier_data::pairs ? 1 : m.data == frontier_data::verdicts ? samples_compared : 2);
    trainer<B, any_objective<float>> run(policy, m.objective(cell.strength),
                                         {.learning_rate = cell.learning_rate,
                                          .batch_size = together,
                                          .num_train_epochs = static_cast<double>(sizes_.epochs),
                                          .lr_scheduler_type = schedule_kind::cosine,
                                          .warmup_steps = 10,
                                          .adam_beta2 = 0.95,
                                          .adam_epsilon = 1e-3,
                                          .seed = stream(cell.seed, training_stream)});
    for (const step_report& step : run.run(examples)) (void)step;
    frontier_result r{.updates = static_cast<double>(run.total_steps()), .texts = 0};
    for (const prompt_tree& tree : examples) r.texts += static_cast<double>(sizes_.epochs * static_cast<index>(tree.responses.size()));
    return r;
  }

  frontier_result learn_by_policy_gradient(const frontier_cell& cell, const frontier_preferences& preferences, transformer<B>& policy) {
    const frontier_method& m = *cell.method;
    const policy_gradient algorithm = m.algorithm(cell.strength);
    const bool is_ppo = std::holds_alternative<ppo>(algorithm), is_grpo = std::holds_alternative<grpo>(algorithm);
    std::optional<transformer<B>> value;
    if (is_ppo) value = with_heads(reference_, scalar_heads, stream(cell.seed, training_stream));
    std::optional<learned_reward> learned;
    if (!m.true_reward) learned.emplace(*this, preferences);
    const auto scored = [&](std::span<const prompt_tree> trees, std::span<double> scores) {
      if (learned) return learned->model(trees, scores);
      std::size_t at = 0;
      for (const prompt_tree& tree : trees)
        for (const response& r : tree.responses) scores[at++] = task_->reward(r.tokens);
    };
    policy_gradient_options options{.num_generations = m.samples_of_prompt,
                                    .max_new_tokens = task_->max_new_tokens,
                                    .num_ppo_epochs = sizes_.ppo_epochs,
                                    .num_mini_batches = ppo_mini_batches};
    if (!is_grpo) options.kl_coef = cell.strength;
    policy_gradient_trainer<B> run({policy, reference_, is_ppo ? &*value : nullptr}, algorithm, scored, options,
                                   {.learning_rate = cell.learning_rate,
                                    .batch_size = sizes_.step_samples / m.samples_of_prompt,
                                    .max_steps = sizes_.steps,
                                    .lr_scheduler_type = schedule_kind::constant,
                                    .seed = stream(cell.seed, training_stream)});
    std::vector<prompt_tree> prompts;
    for (const auto& p : task_->prompts) prompts.push_back({p});
    frontier_result r{.updates = 0, .texts = 0};
    for (const step_report& step : run.run(prompts)) {
      r.updates += static_cast<double>(options.num_ppo_epochs * options.num_mini_batches);
      r.texts += static_cast<double>(run.samples().responses());
      (void)step;
    }
    return r;
  }

  /// Ascends the gradient that automatic differentiation gives of r(y) − β·log π(y)/π_ref(y), y and r(y) being data: −β·∇log π(y).
  frontier_result differentiate_samples(const frontier_cell& cell, transformer<B>& policy) {
    trained_network<B> network(policy, {.learning_rate = cell.learning_rate});
    tree_packs packs(4096);
    std::vector<float> slopes;
    std::vector<prompt_tree> prompts;
    for (const auto& p : task_->prompts) prompts.push_back({p});
    example_order order(static_cast<index>(prompts.size()), true, stream(cell.seed, training_stream));
    frontier_result r{.updates = 0, .texts = 0};
    const index together = std::min<index>(sizes_.step_samples, static_cast<index>(prompts.size()));
    rollout<float> samples;
    response_sampler<B> sample(policy, generation(stream(cell.seed, training_stream)));
    for (index step = 0; step < sizes_.steps * sizes_.ppo_epochs * ppo_mini_batches; ++step) {
      sample(prompts, order.epoch(step).first(static_cast<std::size_t>(together)), 1, static_cast<std::uint64_t>(step * together), samples);
      packs.clear();
      for (const prompt_tree& tree : samples.trees) packs.add(tree);
      network.clear_gradient();
      for (index p = 0; p < packs.size(); ++p) {
        network.training().forward(packs[p]);
        slopes.assign(packs[p].targets.size(), static_cast<float>(cell.strength / static_cast<double>(together)));
        network.backward({.logps = slopes});
      }
      if (!network.measure(1, true).finite) throw numeric_error("the gradient is not finite");
      network.update(cell.learning_rate);
      r.updates += 1;
      r.texts += static_cast<double>(together);
    }
    return r;
  }

  frontier_result choose_best(const frontier_cell& cell, const frontier_preferences& preferences, const rival_rewards& rivals) {
    const auto& samples = best_of_pool(cell.seed).samples;
    const double begun = thread_seconds();
    restart_meter();
    std::vector<std::vector<pooled_text>> pools;
    std::optional<learned_reward> learned;
    if (!cell.method->true_reward) learned.emplace(*this, preferences);
    for (std::size_t p = 0; p < samples.size(); ++p) {
      prompt_tree tree{task_->held_out[p]};
      for (const auto& tokens : samples[p]) tree.responses.push_back({tokens});
      std::vector<double> scores(samples[p].size());
      if (learned) learned->model({&tree, 1}, scores);
      pools.emplace_back();
      for (std::size_t j = 0; j < samples[p].size(); ++j) {
        const double reward = task_->reward(samples[p][j]);
        pools.back().push_back({cell.method->true_reward ? reward : scores[j], reward, task_->is_sentence(samples[p][j])});
      }
    }
    frontier_result r = best_of(pools, rivals, cell.strength);
    r.texts = cell.strength, r.updates = 0;  // for one answer
    r.seconds = (pool_.seconds + thread_seconds() - begun) * cell.strength / static_cast<double>(samples.size() * samples[0].size());
    r.specimen.bytes = std::max(pool_.bytes, most_held());
    return r;
  }

  const frontier_task* task_;
  frontier_sizes sizes_;
  std::uint64_t seed_;
  transformer<B> reference_;
  pool_of_seed pool_;
};

}  // namespace tilt::program
