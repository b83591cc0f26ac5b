// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "world.hpp"
#include <fstream>
#include <sstream>
#include <tilt/loss/bco.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/train/checkpoint.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

using tilt::training_options;
using tilt::test::random_examples;
using tilt::test::world;
namespace fs = std::filesystem;

namespace {

using B = tilt::reference_backend<double>;

struct logged {
  std::vector<tilt::step_report> reports;
  std::vector<double> weights;
};

template <class T = double, class Objective>
logged go(const Objective& objective, const training_options& options, const std::vector<tilt::prompt_tree>& train, const fs::path& resume = {}, std::uint64_t seed = 5) {
  world<T> w(seed);
  tilt::trainer<tilt::reference_backend<T>, Objective> trainer(w.policy, objective, options);
  if (!options.output_dir.empty()) tilt::keep_checkpoints(trainer);
  std::optional<tilt::training_state<T>> state;
  if (!resume.empty()) state = tilt::read_checkpoint<T>(resume);
  logged l;
  for (const tilt::step_report& step : trainer.run(train, {}, state ? &*state : nullptr)) l.reports.push_back(step);
  const auto weights = w.weights();
  l.weights.assign(weights.begin(), weights.end());
  return l;
}

void check_tail(const logged& resumed, const logged& whole, std::size_t from) {
  CHECK(resumed.weights == whole.weights);
  REQUIRE(resumed.reports.size() + from == whole.reports.size());
  for (std::size_t i = 0; i < resumed.reports.size(); ++i) {
    const tilt::step_report &a = resumed.reports[i], &b = whole.reports[from + i];
    CHECK(a.step == b.step);
    CHECK(a.epoch == b.epoch);
    CHECK(a.logged == b.logged);
    for (const tilt::metric& m : b.metrics) {
      INFO("step " << a.step << " " << m.name);
      CHECK(a.metrics[m.name] == m.value);
    }
  }
}

training_options shuffled(const char* folder) {
  return {.learning_rate = 0.01, .batch_size = 4, .gradient_accumulation_steps = 2, .num_train_epochs = 3, .lr_scheduler_type = tilt::schedule_kind::cosine,
          .warmup_steps = 2, .weight_decay = 0.1, .logging_steps = 2, .save_steps = 1, .output_dir = tilt::test::scratch_folder(folder).string()};
}

}  // namespace

TEST_CASE("a resumed run is the uninterrupted one to the bit, from every step") {
  const auto pairs = random_examples(19, 2, 1);
  training_options options = shuffled("resume-dpo");
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5});
  const logged whole = go(objective, options, pairs);
  REQUIRE(whole.reports.size() == 9);
  training_options again = options;
  again.save_steps = 0;
  for (const std::size_t from : {1u, 3u, 4u, 8u, 9u})  // within a line of the log and at its end, at an epoch's end, at the last step
    check_tail(go(objective, again, pairs, fs::path(options.output_dir) / ("checkpoint-" + std::to_string(from))), whole, from);
}

TEST_CASE("so with KTO, RMSprop and in float") {
  const auto labels = random_examples(19, 1, 1);
  training_options options = shuffled("resume-kto");
  options.optim = tilt::optimizer_kind::rmsprop;
  options.momentum = 0.5;
  const tilt::labelled_objective objective(tilt::kto{.beta = 0.5});
  const logged whole = go<float>(objective, options, labels);
  training_options again = options;
  again.save_steps = 0;
  check_tail(go<float>(objective, again, labels, fs::path(options.output_dir) / "checkpoint-5"), whole, 5);
}

TEST_CASE("resuming another run is refused by name") {
  const auto pairs = random_examples(19, 2, 1);
  training_options options = shuffled("resume-refused");
  options.max_steps = 2;
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5});
  go(objective, options, pairs);
  const fs::path saved = fs::path(options.output_dir) / "checkpoint-2";
  options.save_steps = 0;
  const auto message = [&](const training_options& o, const std::vector<tilt::prompt_tree>& data, std::uint64_t seed = 5) -> std::string {
    try {
      go(objective, o, data, saved, seed);
    } catch (const tilt::input_error& e) {
      return e.what();
    }
    return "accepted";
  };
  CHECK(message(options, pairs) == "accepted");
  CHECK(message(options, random_examples(19, 2, 2)).find("train: ") != std::string::npos);
  CHECK(message(options, pairs, 6).find("reference_model: ") != std::string::npos);
  auto other = options;
  other.batch_size = 5;
  CHECK(message(other, pairs).find("batch_size") != std::string::npos);
  other = options;
  other.learning_rate = 0.5;
  CHECK(message(other, pairs).find("learning_rate: ") != std::string::npos);
  CHECK(message(other, pairs).find(saved.string() + " was written by a run with ") != std::string::npos);
  CHECK(message(other, pairs).find("this one has 0.5") != std::string::npos);
  other = options;
  other.seed = 1;
  CHECK(message(other, pairs).find("seed") != std::string::npos);
  other = options;
  other.optim = tilt::optimizer_kind::sgd;
  CHECK(message(other, pairs).find("optim") != std::string::npos);
  other = options;
  other.max_steps = 1;
  CHECK(message(other, pairs).find("max_steps") != std::string::npos);
  try {
    go(tilt::preference_objective(tilt::dpo{.beta = 0.25}), options, pairs, saved, 5);
    FAIL("another beta was accepted");
  } catch (const tilt::input_error& e) {
    CHECK(std::string(e.what()).find("beta: " + saved.string() + " was written by a run with 0.5, and this one has 0.25; resume with 0.5") == 0);
  }
  CHECK_THROWS_AS(tilt::read_checkpoint<float>(saved), tilt::input_error);
  CHECK_THROWS_AS(tilt::read_checkpoint<double>(saved.parent_path()), tilt::input_error);
  std::ofstream(saved / "state.json") << "{";
  CHECK_THROWS_AS(tilt::read_checkpoint<double>(saved), tilt::input_error);
}

TEST_CASE("a run that had spent its KL budget ends at once where it is resumed, unless the budget is larger now") {
  const auto pairs = random_examples(19, 2, 1);
  training_options options = shuffled("resume-kl");
  options.learning_rate = 0.05;
  options.kl_budget = 0.5;
  options.num_train_epochs = 12;
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.05});
  const logged whole = go(objective, options, pairs);
  const tilt::step_report& last = whole.reports.back();
  REQUIRE(!last.stopped.empty());
  REQUIRE(last.step < 36);
  const fs::path folder = options.output_dir, at = folder / ("checkpoint-" + std::to_string(last.step));
  CHECK(tilt::read_checkpoint<double>(at).kl_spent == last.metrics["kl/k2"]);
  training_options again = options;
  again.save_steps = 0;
  const logged resumed = go(objective, again, pairs, at);
  REQUIRE(resumed.reports.size() == 1);
  CHECK(resumed.reports[0].step == last.step);
  CHECK(resumed.reports[0].epoch == last.epoch);
  CHECK(resumed.reports[0].stopped == last.stopped);
  CHECK_FALSE(resumed.reports[0].logged);
  CHECK(resumed.weights == whole.weights);
  // From the step before, it comes to the same end.
  const logged before = go(objective, again, pairs, folder / ("checkpoint-" + std::to_string(last.step - 1)));
  REQUIRE(before.reports.size() == 1);
  CHECK(before.reports[0].stopped == last.stopped);
  CHECK(before.weights == whole.weights);
  again.kl_budget = last.metrics["kl/k2"] + 1;
  CHECK(go(objective, again, pairs, at).reports.size() > 1);
  again.kl_budget = 0;
  CHECK(go(objective, again, pairs, at).reports.size() == static_cast<std::size_t>(36 - last.step));
}

TEST_CASE("the last finite checkpoint of a run that failed can be resumed") {
  // The step that fails has put numbers that are not finite among the line's metrics before it is found out.
  const auto examples = random_examples(8, 1, 1);
  training_options options = shuffled("resume-finite");
  options.save_steps = 0;
  world w;
  const tilt::sft_objective sft;
  w.policy.weights()[40] = std::numeric_limits<double>::quiet_NaN();
  tilt::trainer trainer(w.policy, sft, options);
  tilt::keep_checkpoints(trainer);
  CHECK_THROWS_AS(trainer.run(examples).begin(), tilt::numeric_error);
  const auto state = tilt::read_checkpoint<double>(fs::path(options.output_dir) / "checkpoint-last-finite");
  CHECK(state.step == 0);
  for (const double value : state.window) CHECK(std::isfinite(value));
}

TEST_CASE("a checkpoint of another format says so") {
  training_options options = shuffled("resume-format");
  options.max_steps = 1;
  go(tilt::preference_objective(tilt::dpo{}), options, random_examples(8, 2, 1));
  const fs::path file = fs::path(options.output_dir) / "checkpoint-1" / "state.json";
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  std::string changed = text.str();
  const auto at = changed.find("\"format\": 3");
  REQUIRE(at != std::string::npos);
  changed.replace(at, 11, "\"format\": 1");
  std::ofstream(file) << changed;
  try {
    tilt::read_checkpoint<double>(file.parent_path());
    FAIL("accepted");
  } catch (const tilt::input_error& e) {
    CHECK(std::string(e.what()).find("another version of the library") != std::string::npos);
  }
}

TEST_CASE("checkpoints replace each other whole, and only the last few are kept") {
  const fs::path folder = tilt::test::scratch_folder("checkpoints-kept");
  training_options options = shuffled("checkpoints-kept");
  options.save_total_limit = 2;
  const auto pairs = random_examples(19, 2, 1);
  go(tilt::preference_objective(tilt::dpo{}), options, pairs);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"checkpoint-8", "checkpoint-9"});
  CHECK(tilt::latest_checkpoint(folder)->filename() == "checkpoint-9");
  CHECK_FALSE(tilt::latest_checkpoint(folder / "nowhere"));

  // A writer that fails leaves the old checkpoint as it was and nothing beside it.
  auto state = tilt::read_checkpoint<double>(folder / "checkpoint-9");
  state.step = 1000;
  CHECK_THROWS_AS(tilt::write_checkpoint(folder / "checkpoint-9", state, [](const fs::path&) { throw tilt::error("no"); }), tilt::error);
  CHECK(tilt::read_checkpoint<double>(folder / "checkpoint-9").step == 9);
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 2);
  tilt::write_checkpoint(folder / "checkpoint-9", state, [](const fs::path& inside) { std::ofstream(inside / "more") << 1; });
  CHECK(tilt::read_checkpoint<double>(folder / "checkpoint-9").step == 1000);
  CHECK(fs::exists(folder / "checkpoint-9" / "more"));
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 2);
}

TEST_CASE("without a way to write checkpoints an output_dir is refused") {
  world w;
  tilt::trainer trainer(w.policy, tilt::preference_objective(tilt::dpo{}), shuffled("checkpoints-none"));
  const auto pairs = random_examples(4, 2, 1);
  CHECK_THROWS_AS(trainer.run(pairs), tilt::input_error);
}

TEST_CASE("the best evaluation's checkpoint is kept") {
  training_options options = shuffled("checkpoint-best");
  options.save_steps = 0;
  options.keep_best = true;
  options.eval_steps = 2;
  options.eval_on_start = true;
  options.eval_batch_size = 3;
  options.learning_rate = 0.1;  // so large that not every evaluation is the best
  const auto train = random_examples(19, 2, 1), eval = random_examples(7, 2, 2);
  world w;
  tilt::trainer trainer(w.policy, tilt::preference_objective(tilt::dpo{.beta = 0.5}), options);
  tilt::keep_checkpoints(trainer);
  double best = std::numeric_limits<double>::infinity();
  tilt::index best_step = -1, evaluations = 0;
  for (const tilt::step_report& step : trainer.run(train, eval)) {
    if (step.evaluation.empty()) continue;
    ++evaluations;
    CHECK(step.best == (step.evaluation["loss"] < best));
    CHECK(step.best == !step.checkpoint.empty());
    if (step.best) best = step.evaluation["loss"], best_step = step.step;
  }
  CHECK(evaluations == 6);  // 0, 2, 4, 6, 8 and the last step, 9
  const auto state = tilt::read_checkpoint<double>(fs::path(options.output_dir) / "checkpoint-best");
  CHECK(state.step == best_step);
  CHECK(state.best_loss == best);
  world v;
  std::copy(state.weights.begin(), state.weights.end(), v.policy.weights());
  world base;
  tilt::trainer judge(v.policy, base.policy, tilt::preference_objective(tilt::dpo{.beta = 0.5}), {.eval_batch_size = 3});
  CHECK(judge.evaluate(eval)["loss"] == best);
}

TEST_CASE("what losses and references carry from step to step goes on after a resume") {
  const auto goes_on = [](const auto& objective, training_options options, int responses) {
    const auto train = random_examples(20, responses, 7);
    const logged whole = go(objective, options, train);
    check_tail(go(objective, options, train, fs::path(options.output_dir) / "checkpoint-3"), whole, 3);
  };
  goes_on(tilt::labelled_objective(tilt::bco{.beta = 0.5}), shuffled("resume-bco"), 1);
  training_options moving = shuffled("resume-tr-dpo");
  moving.reference = tilt::reference_mode::online;
  moving.sync_ref_model = true;
  moving.ref_model_sync_steps = 2;
  goes_on(tilt::preference_objective(tilt::dpo{}), moving, 2);
  // A run whose reference stays cannot go on from one whose reference had moved, nor the other way round.
  training_options still = moving;
  still.sync_ref_model = false;
  still.ref_model_sync_steps = 512;
  const auto train = random_examples(20, 2, 7);
  CHECK_THROWS_AS(go(tilt::preference_objective(tilt::dpo{}), still, train, fs::path(moving.output_dir) / "checkpoint-3"), tilt::input_error);
  still.output_dir = tilt::test::scratch_folder("resume-still").string();
  go(tilt::preference_objective(tilt::dpo{}), still, train);
  CHECK_THROWS_AS(go(tilt::preference_objective(tilt::dpo{}), moving, train, fs::path(still.output_dir) / "checkpoint-3"), tilt::input_error);
}
