// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include "support/tolerance.hpp"
#include "world.hpp"
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

using tilt::training_options;
using tilt::test::random_examples;
using tilt::test::world;
namespace {

using B = tilt::reference_backend<double>;

/// Trains a fresh policy with an objective; gives its weights and the last line of the log.
struct outcome {
  std::vector<double> weights;
  tilt::metric_list line;
};
template <class Objective> outcome train(const Objective& objective, const training_options& options, const std::vector<tilt::prompt_tree>& examples) {
  world w;
  tilt::trainer<B, Objective> trainer(w.policy, objective, options);
  outcome o;
  for (const tilt::step_report& step : trainer.run(examples)) o.line = step.metrics;
  o.weights = w.weights();
  return o;
}

// SGD without clipping keeps differences of rounding small; an adaptive optimiser magnifies those of tiny gradients.
training_options plain() {
  return {.learning_rate = 0.05, .batch_size = 6, .max_steps = 3, .lr_scheduler_type = tilt::schedule_kind::constant, .optim = tilt::optimizer_kind::sgd,
          .max_grad_norm = 0, .logging_steps = 1, .shuffle = false};
}

void check_same(const outcome& a, const outcome& b) {
  CHECK(tilt::test::all_close(a.weights, b.weights, 1e-12, 1e-2));
  for (const tilt::metric& m : a.line) {
    INFO(m.name);
    CHECK(tilt::test::close(m.value, b.line[m.name], 1e-11, 1e-2));
  }
}

template <class Objective> void check_packs(const Objective& objective, const std::vector<tilt::prompt_tree>& examples) {
  training_options options = plain();
  const outcome whole = train(objective, options, examples);
  for (const tilt::index budget : {1, 15, 40}) {
    options.max_tokens = budget;
    check_same(train(objective, options, examples), whole);
  }
}

}  // namespace

TEST_CASE("how a micro-batch is cut into packs changes nothing") {
  SECTION("pairs") { check_packs(tilt::preference_objective(tilt::dpo{.beta = 0.5}), random_examples(17, 2, 1)); }
  SECTION("pairs, averaged over tokens") { check_packs(tilt::preference_objective(tilt::ipo{.beta = 0.5}), random_examples(17, 2, 1)); }
  SECTION("pairs with more terms") {
    check_packs(tilt::preference_objective(tilt::dpo{.beta = 0.5}, {.loss_weight = 0.8, .ld_alpha = 0.4}), random_examples(17, 2, 1));
  }
  SECTION("labels, with their statistic") { check_packs(tilt::labelled_objective(tilt::kto{.beta = 0.5}), random_examples(17, 1, 1)); }
  SECTION("demonstrations") { check_packs(tilt::sft_objective{}, random_examples(17, 1, 1)); }
}

TEST_CASE("a step may be split into micro-batches") {
  const auto check = [](const auto& objective, const std::vector<tilt::prompt_tree>& examples, tilt::statistics_scope scope) {
    training_options options = plain();
    options.statistics = scope;
    const outcome whole = train(objective, options, examples);
    options.batch_size = 2;
    options.gradient_accumulation_steps = 3;
    const outcome split = train(objective, options, examples);
    CHECK(tilt::test::all_close(split.weights, whole.weights, 1e-12, 1e-2));
    CHECK(tilt::test::close(split.line["loss"], whole.line["loss"], 1e-12));
  };
  check(tilt::preference_objective(tilt::dpo{.beta = 0.5}), random_examples(18, 2, 2), tilt::statistics_scope::micro_batch);
  check(tilt::preference_objective(tilt::hinge{.beta = 0.5}), random_examples(18, 2, 2), tilt::statistics_scope::micro_batch);
  check(tilt::sft_objective{}, random_examples(18, 1, 2), tilt::statistics_scope::micro_batch);
  check(tilt::labelled_objective(tilt::kto{.beta = 0.5}), random_examples(18, 1, 2), tilt::statistics_scope::step);
}

TEST_CASE("KTO's statistic is the micro-batch's unless the step's is asked for") {
  training_options options = plain();
  const auto examples = random_examples(18, 1, 2);
  const tilt::labelled_objective objective(tilt::kto{.beta = 2});
  const outcome whole = train(objective, options, examples);
  options.batch_size = 2;
  options.gradient_accumulation_steps = 3;
  CHECK_FALSE(tilt::test::all_close(train(objective, options, examples).weights, whole.weights, 1e-9, 1e-2));
}

TEST_CASE("SFT weighs every token of a step alike, DPO every micro-batch") {
  // 5 examples in micro-batches of 4 and 1, one step: SFT is the whole step's mean, DPO's lone example counts as much as the four.
  training_options options = plain();
  options.batch_size = 4;
  options.gradient_accumulation_steps = 2;
  options.max_steps = 1;
  const auto demonstrations = random_examples(5, 1, 3), pairs = random_examples(5, 2, 3);
  const outcome sft = train(tilt::sft_objective{}, options, demonstrations), dpo = train(tilt::preference_objective(tilt::ipo{.beta = 0.5}), options, pairs);
  world w;
  training_options single = options;
  single.batch_size = 5;
  single.gradient_accumulation_steps = 1;
  check_same({sft.weights, {}}, {train(tilt::sft_objective{}, single, demonstrations).weights, {}});
  single.batch_size = 4;
  single.max_steps = 1;
  const auto first = train(tilt::preference_objective(tilt::ipo{.beta = 0.5}), single, {pairs.begin(), pairs.begin() + 4});
  const auto last = train(tilt::preference_objective(tilt::ipo{.beta = 0.5}), single, {pairs.begin() + 4, pairs.end()});
  const auto start = w.weights();
  std::vector<double> mean(start.size());
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] = start[i] + 0.5 * (first.weights[i] - start[i]) + 0.5 * (last.weights[i] - start[i]);
  CHECK(tilt::test::all_close(dpo.weights, mean, 1e-12, 1e-2));
}

TEST_CASE("a run against itself begins at the closed form") {
  const auto pairs = random_examples(12, 2, 4);
  const auto first = [&](const auto& objective) {
    world w;
    tilt::trainer trainer(w.policy, objective, {.batch_size = 4, .max_steps = 1, .logging_steps = 1});
    const auto run = trainer.run(pairs);
    tilt::metric_list line;
    for (const tilt::step_report& step : run) line = step.metrics;
    return line;
  };
  const auto dpo = first(tilt::preference_objective(tilt::dpo{.beta = 0.3}));
  CHECK(dpo["loss"] == Approx(std::log(2.0)).epsilon(1e-15));
  for (const char* zero : {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "kl", "kl/k2", "chosen_falling"}) {
    INFO(zero);
    CHECK(dpo[zero] == 0);  // to the bit: the cached reference is the policy's own arithmetic
  }
  CHECK(first(tilt::preference_objective(tilt::ipo{.beta = 0.25}))["loss"] == 4);
  CHECK(first(tilt::preference_objective(tilt::hinge{}))["loss"] == 1);
}

TEST_CASE("KTO begins at half its weights, with batches of one, and under any order") {
  const auto examples = random_examples(12, 1, 4);  // 4 of 12 undesirable
  for (const bool shuffle : {false, true})
    for (const tilt::index batch : {1, 5}) {
      world w;
      tilt::trainer trainer(w.policy, tilt::labelled_objective(tilt::kto{.undesirable_weight = 2}),
                            {.learning_rate = 1e-300, .batch_size = batch, .num_train_epochs = 1, .logging_steps = 1, .shuffle = shuffle});
      double loss = 0, steps = 0;
      for (const tilt::step_report& step : trainer.run(examples)) {
        CHECK(step.metrics["kl"] == 0);
        if (batch == 1) loss += step.metrics["loss"], ++steps;
      }
      if (batch == 1) CHECK(loss / steps == Approx((8 * 0.5 + 4 * 1.0) / 12));
      CHECK(trainer.evaluate(examples)["loss"] == Approx((8 * 0.5 + 4 * 1.0) / 12));
    }
}

TEST_CASE("the reference online is the cached one to the bit, and another model is not") {
  const auto pairs = random_examples(12, 2, 6);
  const auto labels = random_examples(12, 1, 6);
  training_options options = plain();
  const tilt::preference_objective dpo(tilt::dpo{.beta = 0.5});
  const tilt::labelled_objective kto(tilt::kto{.beta = 0.5});
  const auto cached = train(dpo, options, pairs), cached_labels = train(kto, options, labels);
  options.reference = tilt::reference_mode::online;
  CHECK(train(dpo, options, pairs).weights == cached.weights);
  CHECK(train(kto, options, labels).weights == cached_labels.weights);
  for (const auto mode : {tilt::reference_mode::cached, tilt::reference_mode::online}) {
    options.reference = mode;
    world w, twin, other(77);
    tilt::trainer same(w.policy, twin.policy, dpo, options);
    for (const tilt::step_report& step : same.run(pairs)) (void)step;
    CHECK(w.weights() == cached.weights);
    world v;
    tilt::trainer different(v.policy, other.policy, dpo, options);
    for (const tilt::step_report& step : different.run(pairs)) (void)step;
    CHECK(v.weights() != cached.weights);
  }
}

TEST_CASE("a tree of many edges is the mean over its pairs") {
  auto tree = random_examples(1, 4, 8)[0];
  tree.edges = {{0, 1}, {0, 2}, {3, 1}};
  std::vector<tilt::prompt_tree> pairs;
  for (const tilt::edge& e : tree.edges)
    pairs.push_back({.prompt = tree.prompt, .responses = {tree.responses[static_cast<std::size_t>(e.chosen)], tree.responses[static_cast<std::size_t>(e.rejected)]}, .edges = {{0, 1}}});
  training_options options = plain();
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5}, {.ld_alpha = 0.5});
  const auto whole = train(objective, options, {tree}), apart = train(objective, options, pairs);
  CHECK(tilt::test::all_close(whole.weights, apart.weights, 1e-12, 1e-2));
  for (const char* name : {"loss", "rewards/chosen", "rewards/margins", "logps/rejected", "logits/chosen", "mean_token_accuracy"}) {
    INFO(name);
    CHECK(tilt::test::close(whole.line[name], apart.line[name], 1e-11));
  }
}

TEST_CASE("an edge's weight scales its loss") {
  auto pairs = random_examples(2, 2, 9);
  training_options options = plain();
  options.max_steps = 1;
  const tilt::preference_objective objective(tilt::ipo{.beta = 0.5});
  world w;
  const auto start = w.weights();
  const auto moved = [&](double first, double second) {
    pairs[0].edges[0].weight = first;
    pairs[1].edges[0].weight = second;
    auto weights = train(objective, options, pairs).weights;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] -= start[i];
    return weights;
  };
  const auto a = moved(1, 0), b = moved(0, 1), both = moved(3, 0.5);
  std::vector<double> sum(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) sum[i] = 3 * a[i] + 0.5 * b[i];
  CHECK(tilt::test::all_close(both, sum, 1e-11, 1e-2));
}

TEST_CASE("a mismatched pair is made of the whole response and cut after") {
  auto examples = random_examples(2, 1, 10);
  examples[0].prompt = {3, 4, 5, 6};
  examples[1].prompt = {7};
  examples[0].responses = {{{8, 9}, true, {8, 9, 10, 11, 2}}};  // max_length 6 has cut it
  examples[1].responses = {{{12, 13, 14, 2}, false}};
  world w;
  tilt::reference_model<B> reference(w.policy, nullptr, {.own = true, .mismatched = true}, {.batch_size = 2, .max_length = 6});
  reference.select(examples, true);
  tilt::tree_packs packs(100);
  reference.add_mismatched(packs, 0);
  reference.add_mismatched(packs, 1);
  const auto& pack = packs[0];
  CHECK(pack.ids == std::vector<tilt::token>{3, 4, 5, 6, 12, 7, 8, 9, 10, 11});  // 12, 13 after four; 8, 9, 10, 11, 2 after one; last tokens are not laid down
  CHECK(pack.response_begin == std::vector<tilt::index>{0, 2, 7});
}
