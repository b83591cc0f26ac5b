// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include "world.hpp"
#include <algorithm>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

using tilt::training_options;
using tilt::test::random_examples;
using tilt::test::world;

namespace {

template <class Trainer, class Data> std::string failure(Trainer& trainer, const Data& data) {
  try {
    for (const tilt::step_report& step : trainer.run(data)) (void)step;
  } catch (const tilt::numeric_error& e) {
    return e.what();
  }
  return "none";
}

// What no training can do anything about: the loss is fine twice, then it is not a number for one pair.
struct breaking_loss {
  double beta = 1;
  const int* calls = nullptr;
  template <class T> T operator()(const tilt::pair_logps<T>& y) const {
    const T margin = y.chosen.log_ratio() - y.rejected.log_ratio();
    return y.chosen.tokens == 7 ? margin / (margin - margin) : -margin;
  }
};
struct breaking_gradient {
  double beta = 1;
  template <class T> T operator()(const tilt::pair_logps<T>& y) const {
    using std::log;
    using std::exp;
    const T margin = y.chosen.log_ratio() - y.rejected.log_ratio();
    return y.chosen.tokens == 7 ? exp(tilt::constant<T>(1e6) * (y.chosen.policy - y.chosen.policy)) * tilt::constant<T>(1e308) * (margin * tilt::constant<T>(1e10)) : -margin;
  }
};

}  // namespace

TEST_CASE("a loss that is not finite stops the run, names the line, and leaves the weights alone") {
  auto pairs = random_examples(8, 2, 1);
  for (auto& tree : pairs) tree.responses[0].tokens.resize(3, 4), tree.line += 100;
  pairs[5].responses[0].tokens.resize(7, 4);
  world w;
  tilt::trainer trainer(w.policy, tilt::preference_objective(breaking_loss{}), {.learning_rate = 1e-3, .batch_size = 2, .shuffle = false});
  std::vector<double> before;
  std::string message = "none";
  try {
    for (const tilt::step_report& step : trainer.run(pairs)) {
      CHECK(step.step <= 2);
      before = w.weights();
    }
  } catch (const tilt::numeric_error& e) {
    message = e.what();
  }
  INFO(message);
  CHECK(message.rfind("step 3: the loss is not finite", 0) == 0);
  CHECK(message.find("in the step that begins at line 105") != std::string::npos);  // every log-probability is finite: no line is to blame
  CHECK(message.find("learning_rate") != std::string::npos);
  CHECK(w.weights() == before);
  CHECK(trainer.state().optimizer_count == 2);
  CHECK(trainer.state().step == 2);
}

TEST_CASE("a gradient that is not finite stops the run too") {
  auto pairs = random_examples(4, 2, 1);
  for (auto& tree : pairs) tree.responses[0].tokens.resize(3, 4);
  pairs[3].responses[0].tokens.resize(7, 4);
  world w;
  const auto before = w.weights();
  tilt::trainer trainer(w.policy, tilt::preference_objective(breaking_gradient{}), {.batch_size = 4, .shuffle = false});
  const std::string message = failure(trainer, pairs);
  INFO(message);
  CHECK(message.rfind("step 1: the gradient is not finite, in the step that begins at line 1 ", 0) == 0);
  CHECK(w.weights() == before);
}

TEST_CASE("weights that are not finite are found at the example") {
  tilt::reference_backend<double> backend;
  tilt::model_config config = tilt::test::small_config();
  config.tie_word_embeddings = false;  // else the head carries them to every example
  tilt::transformer policy(backend, config);
  policy.initialize(5);
  policy.weights()[40] = std::numeric_limits<double>::quiet_NaN();  // of the embedding of token 3
  auto examples = random_examples(6, 1, 1);
  for (auto& tree : examples) {
    for (auto& id : tree.prompt) id = std::max(id, 5);
    for (auto& id : tree.responses[0].tokens) id = std::max(id, 5);
  }
  examples[4].prompt[0] = 3;
  tilt::trainer trainer(policy, tilt::sft_objective{}, {.batch_size = 6, .shuffle = false});
  CHECK(failure(trainer, examples).rfind("step 1: the loss is not finite, first at line 5 ", 0) == 0);
}

TEST_CASE("a KL budget ends the run at the line that exceeds it") {
  const auto pairs = random_examples(16, 2, 1);
  const training_options options{.learning_rate = 0.05, .batch_size = 4, .max_steps = 40, .logging_steps = 2, .kl_budget = 0.5};
  world w;
  tilt::trainer trainer(w.policy, tilt::preference_objective(tilt::dpo{.beta = 0.05}), options);
  tilt::index last = 0;
  bool stopped = false;
  for (const tilt::step_report& step : trainer.run(pairs)) {
    CHECK_FALSE(stopped);  // nothing comes after the report that says so
    last = step.step;
    stopped = !step.stopped.empty();
    if (step.logged) CHECK(stopped == (step.metrics["kl/k2"] > 0.5));
  }
  CHECK(stopped);
  CHECK(last < 40);
  CHECK(last % 2 == 0);
}

TEST_CASE("options that a loss or a run cannot use are refused") {
  const auto pairs = random_examples(8, 2, 1), texts = random_examples(8, 1, 1);
  world w, other(7);
  const auto refusal = [](const auto& make) -> std::string {
    try {
      make();
    } catch (const tilt::input_error& e) {
      return e.what();
    }
    return "accepted";
  };
  const tilt::sft_objective sft;
  using trainer = tilt::trainer<world<>::B, tilt::sft_objective>;
  CHECK(refusal([&] { trainer(w.policy, sft, {.kl_budget = 1}); }).rfind("kl_budget: the loss sft has no reference", 0) == 0);
  CHECK(refusal([&] { trainer(w.policy, sft, {.reference = tilt::reference_mode::online}); }).rfind("reference: ", 0) == 0);
  CHECK(refusal([&] { trainer(w.policy, other.policy, sft); }).rfind("reference_model: ", 0) == 0);
  CHECK(refusal([&] { trainer(w.policy, sft); }) == "accepted");
  CHECK(refusal([&] { trainer(w.policy, sft, {.eval_steps = 2}).run(texts); }).rfind("eval_steps: there are no examples", 0) == 0);
  CHECK(refusal([&] { trainer(w.policy, sft, {.eval_on_start = true}).run(texts); }).rfind("eval_on_start: there are no", 0) == 0);
  CHECK(refusal([&] { trainer(w.policy, sft, {.eval_steps = 2}).run(texts, texts); }) == "accepted");
}

TEST_CASE("a reference whose weights change before the run is refused") {
  const auto pairs = random_examples(8, 2, 1), eval = random_examples(5, 2, 2);
  for (const bool of_another : {false, true}) {
    world w, other(7);
    auto& source = of_another ? other : w;
    const tilt::preference_objective dpo(tilt::dpo{});
    const auto run = [&](auto& trainer) {
      trainer.evaluate(eval);
      source.policy.weights()[3] += 1;
      CHECK_THROWS_AS(trainer.evaluate(eval), tilt::input_error);
      CHECK_THROWS_AS(trainer.run(pairs), tilt::input_error);
    };
    if (of_another) {
      tilt::trainer trainer(w.policy, other.policy, dpo);
      run(trainer);
    } else {
      tilt::trainer trainer(w.policy, dpo);
      run(trainer);
    }
  }
}

TEST_CASE("a hash of examples tells apart all that training reads") {
  const std::vector<tilt::prompt_tree> base{{.prompt = {5, 6}, .responses = {{{0, 0, 7, 8}}, {{9}}}, .edges = {{0, 1}}}};
  const auto differs = [&](const auto& change) {
    auto changed = base;
    change(changed[0]);
    return tilt::detail::hash_of(std::span<const tilt::prompt_tree>(changed)) != tilt::detail::hash_of(std::span<const tilt::prompt_tree>(base));
  };
  CHECK_FALSE(differs([](tilt::prompt_tree& t) { t.line = 9; }));
  CHECK(differs([](tilt::prompt_tree& t) { t.prompt = {5, 6, 0, 0}, t.responses[0].tokens = {7, 8}; }));
  CHECK(differs([](tilt::prompt_tree& t) { t.responses[1].desirable = false; }));
  CHECK(differs([](tilt::prompt_tree& t) { t.responses[1].uncut = {9, 3}; }));
  CHECK(differs([](tilt::prompt_tree& t) { t.edges[0] = {1, 0}; }));
  CHECK(differs([](tilt::prompt_tree& t) { t.edges[0].weight = 2; }));
}

TEST_CASE("evaluation is the row-weighted loss and the mean of micro-batches' metrics") {
  const auto pairs = random_examples(7, 2, 3);
  world w, other(9);
  tilt::trainer trainer(w.policy, other.policy, tilt::preference_objective(tilt::dpo{.beta = 0.5}), {.eval_batch_size = 4});
  const auto whole = trainer.evaluate(pairs), first = trainer.evaluate(std::span(pairs).first(4)), last = trainer.evaluate(std::span(pairs).subspan(4));
  CHECK(whole["loss"] == Approx((4 * first["loss"] + 3 * last["loss"]) / 7).epsilon(1e-14));
  for (const char* name : {"entropy", "rewards/margins", "logits/chosen", "logps/rejected"}) {
    INFO(name);
    CHECK(whole[name] == Approx((first[name] + last[name]) / 2).epsilon(1e-14));
  }
}

TEST_CASE("after training, a cached reference knows only the examples it has seen") {
  const auto train = random_examples(8, 2, 1), seen = random_examples(5, 2, 2), unseen = random_examples(5, 2, 3);
  world w;
  tilt::trainer trainer(w.policy, tilt::preference_objective(tilt::dpo{}), {.batch_size = 4, .max_steps = 1});
  const double before = trainer.evaluate(seen)["loss"];
  CHECK(before == Approx(std::log(2.0)));
  for (const tilt::step_report& step : trainer.run(train)) (void)step;
  CHECK_NOTHROW(trainer.evaluate(seen));
  CHECK_NOTHROW(trainer.evaluate(train));
  CHECK_THROWS_AS(trainer.evaluate(unseen), tilt::input_error);
}

TEST_CASE("an evaluation by the caller between two steps changes none of them") {
  const auto pairs = random_examples(12, 2, 1), other = random_examples(5, 2, 2), unseen = random_examples(5, 2, 3);
  const auto weights = [&](bool looking) {
    world w;
    tilt::trainer trainer(w.policy, tilt::preference_objective(tilt::dpo{.beta = 0.5}), {.learning_rate = 0.01, .batch_size = 4, .num_train_epochs = 2});
    if (looking) trainer.evaluate(other);
    for (const tilt::step_report& step : trainer.run(pairs)) {
      if (!looking) continue;
      if (step.step % 2 == 0) trainer.evaluate(other);
      else CHECK_THROWS_AS(trainer.evaluate(unseen), tilt::input_error);
    }
    return w.weights();
  };
  CHECK(weights(true) == weights(false));
}

TEST_CASE("logged lines average the steps since the last, and the run's last step ends one") {
  const auto pairs = random_examples(16, 2, 1);
  training_options options{.learning_rate = 0.02, .batch_size = 4, .num_train_epochs = 2, .logging_steps = 1};
  std::vector<tilt::step_report> each, grouped;
  for (const tilt::index every : {1, 3}) {
    options.logging_steps = every;
    world w;
    tilt::trainer trainer(w.policy, tilt::preference_objective(tilt::dpo{}), options);
    for (const tilt::step_report& step : trainer.run(pairs))
      if (step.logged) (every == 1 ? each : grouped).push_back(step);
  }
  REQUIRE(each.size() == 8);
  REQUIRE(grouped.size() == 3);  // of steps 1 to 3, 4 to 6, 7 and 8
  for (std::size_t g = 0; g < 3; ++g) {
    const std::size_t begin = 3 * g, end = std::min<std::size_t>(begin + 3, 8);
    const auto mean = [&](const char* name) {
      double sum = 0;
      for (std::size_t i = begin; i < end; ++i) sum += each[i].metrics[name];
      return sum / static_cast<double>(end - begin);
    };
    for (const char* name : {"loss", "rewards/margins", "entropy", "logps/chosen"}) CHECK(grouped[g].metrics[name] == Approx(mean(name)).epsilon(1e-13));
    for (const char* name : {"grad_norm", "learning_rate", "num_tokens"}) CHECK(grouped[g].metrics[name] == each[end - 1].metrics[name]);
    CHECK(grouped[g].step == static_cast<tilt::index>(end));
  }
}

TEST_CASE("examples that a loss cannot use are refused with their line") {
  world w;
  auto pairs = random_examples(3, 2, 1);
  tilt::trainer dpo(w.policy, tilt::preference_objective(tilt::dpo{}));
  pairs[1].edges.clear();
  CHECK_THROWS_AS(dpo.run(pairs), tilt::input_error);
  pairs[1].edges = {{0, 2}};
  CHECK_THROWS_AS(dpo.run(pairs), tilt::input_error);
  tilt::trainer kto(w.policy, tilt::labelled_objective(tilt::kto{}));
  try {
    kto.run(pairs);
    FAIL("accepted");
  } catch (const tilt::input_error& e) {
    CHECK(std::string(e.what()).rfind("line 1: ", 0) == 0);
  }
  CHECK_THROWS_AS(dpo.evaluate({}), tilt::input_error);
}
