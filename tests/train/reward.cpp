// SPDX-License-Identifier: Apache-2.0
// Reward models: the step's gradient against central differences of the loss by its formula, whose token is judged, learning, resuming,
// and what is refused.
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <tilt/loss/dpo.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/train/calibration.hpp>
#include <tilt/train/checkpoint.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/reward.hpp>

#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"
#include "world.hpp"

namespace tilt::test {
namespace {

using B = reference_backend<double>;

constexpr token end = 2;

/// A small model with a value head alone; its padding is the end token, as TRL makes it.
struct judge {
  B backend;
  transformer<B> model;

  explicit judge(std::uint64_t seed = 5) : model(make(backend, seed)) {}
  static transformer<B> make(B& backend, std::uint64_t seed) {
    model_config config = small_config();
    config.eos_token_id = end;
    transformer<B> language(backend, config);
    language.initialize(seed);
    return with_heads(language, scalar_heads, seed);
  }

  /// The score of one text, alone in its batch.
  double score(std::vector<token> text) {
    packed_trees pack;
    pack.segments.push_back({0, static_cast<index>(text.size()), -1, 0});
    pack.targets.push_back({static_cast<index>(text.size()) - 1, 0});
    pack.response_begin.push_back(1);
    pack.ids = std::move(text);
    pass<B> scoring(model, pass_kind::inference);
    scoring.forward(pack);
    return scoring.values()[0];
  }
  double score(const prompt_tree& tree, int response) {
    std::vector<token> text = tree.prompt;
    for (const token t : tree.responses[static_cast<std::size_t>(response)].tokens) text.push_back(t);
    while (text.back() == end) text.pop_back();
    return score(text);
  }
  std::vector<double> weights() const { return {model.weights(), model.weights() + model.size()}; }
};

/// Pairs, and a prompt with four responses and edges among them, with margins.
std::vector<prompt_tree> examples() {
  std::vector<prompt_tree> trees = random_examples(3, 2, 1);
  trees.push_back(random_examples(1, 4, 8)[0]);
  trees.back().edges = {{0, 1, 1, 1, 0.5}, {0, 3}, {2, 1, 1, 1, -1}};
  return trees;
}

double loss_by_formula(judge& j, const bradley_terry& loss, const std::vector<prompt_tree>& trees) {
  double sum = 0;
  int edges = 0;
  for (const prompt_tree& tree : trees)
    for (const edge& e : tree.edges) sum += loss(j.score(tree, e.chosen), j.score(tree, e.rejected), e.margin), ++edges;
  return sum / edges;
}

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const input_error& e) { return e.what(); }
  return "accepted";
}

}  // namespace

TEST_CASE("a step's gradient is that of the loss by its formula, in one pack or in many") {
  const bradley_terry loss{0.3};
  const std::vector<prompt_tree> trees = examples();
  judge j;
  std::vector<double> gradient[2];
  for (const index max_tokens : {4096, 12}) {
    reward_objective objective(loss);
    training_options options;
    options.max_tokens = max_tokens;
    batch_gradient<B, reward_objective> batch(j.model, nullptr, objective, options);
    batch.select(trees, true);
    const std::vector<index> members{0, 1, 2, 3};
    batch.measure(members);
    batch.reserve(4);
    meters metrics;
    objective.list(metrics);
    objective.begin({1, 0});
    auto& g = gradient[max_tokens == 12 ? 1 : 0];
    g.resize(static_cast<std::size_t>(j.model.size()));
    CHECK(close(batch.accumulate(members, g.data(), metrics), loss_by_formula(j, loss, trees), tolerance<double>::sum(64), 1));
  }
  CHECK(all_close(gradient[0], gradient[1], tolerance<double>::sum(256), largest(gradient[0])));
  std::mt19937 engine(5);
  std::normal_distribution<double> draw;
  for (const parameter& p : j.model.parameters()) {
    double* const w = j.model.weights() + p.offset;
    const std::vector<double> start(w, w + p.count);
    std::vector<double> direction(start.size());
    double slope = 0, length = 0;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      direction[i] = draw(engine);
      slope += direction[i] * gradient[0][static_cast<std::size_t>(p.offset) + i];
      length += direction[i] * direction[i];
    }
    const double h = 1e-5 / std::sqrt(length);
    double side[2];
    for (const int s : {0, 1}) {
      for (std::size_t i = 0; i < start.size(); ++i) w[i] = start[i] + (s != 0 ? h : -h) * direction[i];
      side[s] = loss_by_formula(j, loss, trees);
    }
    std::copy(start.begin(), start.end(), w);
    INFO(p.name);
    CHECK(close(slope, (side[1] - side[0]) / (2 * h), 1e-6, 1e-2 * std::sqrt(length)));
  }
}

TEST_CASE("what is judged is the state of the last token that is not padding") {
  judge j;
  const std::vector<token> prompt{5, 6}, ended{7, 8, end}, plain{7, 8}, nothing{end};
  const std::vector<std::span<const token>> responses{ended, plain, nothing};
  const auto scores = [&](token padding) {
    packed_trees pack;
    append_tree(pack, prompt, responses, 0, {.whole = true, .padding = padding});
    CHECK(pack.responses() == 3);
    pass<B> scoring(j.model, pass_kind::inference);
    scoring.forward(pack);
    return std::vector<double>(scoring.values().begin(), scoring.values().end());
  };
  CHECK(j.model.config().pad_token_id == end);
  CHECK(scores(end) == std::vector<double>{j.score({5, 6, 7, 8}), j.score({5, 6, 7, 8}), j.score({5, 6})});
  CHECK(scores(-1) == std::vector<double>{j.score({5, 6, 7, 8, end}), j.score({5, 6, 7, 8}), j.score({5, 6, end})});
}

TEST_CASE("a reward model learns which token is good, and its metrics are those of its scores") {
  std::vector<prompt_tree> trees = random_examples(40, 2, 3);
  for (prompt_tree& tree : trees)
    tree.responses[0].tokens.insert(tree.responses[0].tokens.begin(), 4),
        tree.responses[1].tokens.insert(tree.responses[1].tokens.begin(), 9);
  judge j;
  auto trainer =
      reward_trainer(j.model, {0.01}, {.learning_rate = 0.01, .batch_size = 8, .max_steps = 40, .logging_steps = 1, .eval_batch_size = 40});
  for (const step_report& step : trainer.run(trees)) CHECK(step.metrics["min_reward"] <= step.metrics["mean_reward"]);
  const metric_list held_out = trainer.evaluate(trees);
  std::vector<double> margins;
  double least = 1e9, most = -1e9, total = 0;
  for (const prompt_tree& tree : trees) {
    const double chosen = j.score(tree, 0), rejected = j.score(tree, 1);
    margins.push_back(chosen - rejected);
    least = std::min({least, chosen, rejected});
    most = std::max({most, chosen, rejected});
    total += chosen + rejected;
  }
  const calibration c = calibrate(margins);
  CHECK(c.accuracy.value > 0.95);
  CHECK(held_out["accuracy"] == c.accuracy.value);
  CHECK(held_out["min_reward"] == least);
  CHECK(held_out["max_reward"] == most);
  CHECK(close(held_out["mean_reward"], total / 80, tolerance<double>::sum(80), 1));
  CHECK(close(held_out["margin"], std::accumulate(margins.begin(), margins.end(), 0.0) / 40, tolerance<double>::sum(80), 1));
}

TEST_CASE("a reward model's run that is resumed is the uninterrupted one to the bit") {
  const auto pairs = random_examples(11, 2, 1);
  training_options options{.learning_rate = 0.01,
                           .batch_size = 2,
                           .gradient_accumulation_steps = 2,
                           .num_train_epochs = 3,
                           .save_steps = 1,
                           .output_dir = scratch_folder("resume-reward").string()};
  const auto weights_of = [&](const std::filesystem::path& resume) {
    judge j;
    auto trainer = reward_trainer(j.model, {0.01}, options);
    keep_checkpoints(trainer);
    std::optional<training_state<double>> state;
    if (!resume.empty()) state = read_checkpoint<double>(resume);
    for (const step_report& step : trainer.run(pairs, {}, state ? &*state : nullptr)) (void)step;
    return j.weights();
  };
  const std::vector<double> whole = weights_of({});
  CHECK(whole != judge().weights());
  const std::filesystem::path folder = options.output_dir;
  options.save_steps = 0;
  for (const char* from : {"checkpoint-1", "checkpoint-3", "checkpoint-5"}) CHECK(weights_of(folder / from) == whole);
}

TEST_CASE("what a reward model cannot be trained on, or with, is refused by name") {
  judge j;
  const auto with = [&](const std::function<void(prompt_tree&)>& spoil) {
    auto pairs = random_examples(2, 2, 1);
    spoil(pairs[1]);
    return message_of([&] {
      auto trainer = reward_trainer(j.model, {}, {.max_steps = 1});
      trainer.run(pairs);
    });
  };
  CHECK(with([](prompt_tree&) {}) == "accepted");
  CHECK(with([](prompt_tree& t) { t.edges.clear(); }).find("line 2: the example has no preference") == 0);
  CHECK(with([](prompt_tree& t) { t.edges[0].rejected = 2; }).find("line 2: a preference names a response that is not there") == 0);
  CHECK(with([](prompt_tree& t) { t.edges[0].weight = 0.5; }).find("weight") != std::string::npos);
  CHECK(with([](prompt_tree& t) { t.edges[0].win_probability = 0.5; }).find("win_probability") != std::string::npos);
  world<> language;
  CHECK(message_of([&] { reward_trainer(language.policy); }).find("value head") != std::string::npos);
  CHECK(message_of([&] { preference_trainer(j.model, dpo{}); }).find("reward model") != std::string::npos);
  CHECK(message_of([&] { with_heads(j.model, language_model_heads, 0); }).find("vocabulary head") != std::string::npos);
  auto pairs = random_examples(2, 2, 1);
  pairs[0].edges[0].margin = 1;
  CHECK(message_of([&] { preference_trainer(language.policy, dpo{}, {.max_steps = 1}).run(pairs); }).find("margin") != std::string::npos);
}

}  // namespace tilt::test
