// SPDX-License-Identifier: Apache-2.0
// Every loss as an objective: its coefficients are the derivatives of the loss it reports, and it trains.
#include <algorithm>
#include <cmath>
#include <tilt/loss/any_pair_loss.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/train/any_objective.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/list.hpp>
#include <tilt/train/preference.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"
#include "world.hpp"

using namespace tilt;
using Catch::Matchers::Contains;
using test::random_examples;
using test::world;

namespace {

using B = reference_backend<double>;
using any = any_objective<double>;

/// Pairs with all that any loss reads, as far as it reads it.
template <class L> std::vector<prompt_tree> examples_for(const L& loss, tilt::index count, int responses) {
  std::vector<prompt_tree> examples = random_examples(count, responses, 3);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (responses > 2) examples[i].edges = {{0, 1}, {0, 2}};
    if (uses_scores(loss))
      for (std::size_t r = 0; r < examples[i].responses.size(); ++r)
        examples[i].responses[r].score = 2.0 - 0.5 * static_cast<double>(r) + 0.01 * static_cast<double>(i % 3);
    for (edge& e : examples[i].edges) {
      if (uses_win_probability(loss)) e.win_probability = 0.75;
      if (takes_weights<L>()) e.weight = 1 + 0.25 * static_cast<double>(i % 3);
    }
  }
  return examples;
}

/// A micro-batch without a model: made-up log-probabilities of every token.
struct made_up {
  std::vector<prompt_tree> examples;
  std::vector<tilt::index> members;
  std::vector<double> policy, reference;

  explicit made_up(std::vector<prompt_tree> trees) : examples(std::move(trees)) {
    const philox draw(11);
    std::uint64_t counter = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      members.push_back(static_cast<tilt::index>(i));
      for (const response& r : examples[i].responses)
        for (std::size_t t = 0; t < r.tokens.size(); ++t) {
          policy.push_back(-0.05 - 3 * uniform(draw, counter++));
          reference.push_back(-0.05 - 3 * uniform(draw, counter++));
        }
    }
  }
  batch_scores<double> scores() const {
    batch_scores<double> s;
    std::size_t at = 0;
    for (const prompt_tree& tree : examples)
      for (const response& r : tree.responses) {
        s.append(std::span<const double>(policy).subspan(at, r.tokens.size()));
        at += r.tokens.size();
      }
    return s;
  }
};

template <class Objective> double loss_of(Objective objective, const made_up& data) {
  meters m;
  objective.list(m);
  objective.begin({2, 100});
  const batch_scores<double> scores = data.scores();
  return objective.record(micro_batch<double>{data.examples, data.members, scores, data.reference}, m);
}

template <class Objective> std::vector<double> coefficients(Objective objective, const made_up& data) {
  for (const prompt_tree& tree : data.examples) objective.check(tree);
  objective.begin({2, 100});
  const batch_scores<double> scores = data.scores();
  std::vector<double> d(data.policy.size());
  objective.differentiate(micro_batch<double>{data.examples, data.members, scores, data.reference},
                          {0, static_cast<tilt::index>(data.members.size()), 0}, std::span<double>(d));
  return d;
}

template <class Objective> void check_coefficients(const Objective& objective, made_up data) {
  const std::vector<double> d = coefficients(objective, data);
  std::vector<double> differences;
  for (double& x : data.policy) {
    const double before = x, h = test::tolerance<double>::step(x);
    x = before + h;
    const double up = loss_of(objective, data);
    x = before - h;
    const double down = loss_of(objective, data);
    x = before;
    differences.push_back((up - down) / (2 * h));
  }
  CHECK(test::all_close(d, differences, test::tolerance<double>::difference(), 1));
}

training_options plain() {
  return {.learning_rate = 0.01,
          .batch_size = 4,
          .max_steps = 3,
          .lr_scheduler_type = schedule_kind::constant,
          .optim = optimizer_kind::sgd,
          .max_grad_norm = 1,
          .logging_steps = 1,
          .shuffle = false};
}

/// The lines of a short run, all of whose numbers are finite, and the weights after it.
template <class Objective>
std::pair<std::vector<metric_list>, std::vector<double>> trained(Objective objective, const training_options& options,
                                                                 const std::vector<prompt_tree>& examples) {
  world w;
  const std::vector<double> before = w.weights();
  trainer<B, any> run(w.policy, std::move(objective), options);
  std::vector<metric_list> lines;
  for (const step_report& step : run.run(examples)) {
    lines.push_back(step.metrics);
    for (const metric& m : step.metrics) {
      CAPTURE(step.step, m.name);
      CHECK(std::isfinite(m.value));
    }
  }
  CHECK(lines.size() == 3);
  const bool moved = w.weights() != before;
  CHECK(moved);
  return {lines, w.weights()};
}

template <class F> void for_each_pair_loss(const F& f) {
  std::apply([&](const auto&... loss) { (f(loss), ...); }, pair_losses{});
}

}  // namespace

TEST_CASE("pair losses: an objective's coefficients are its loss's derivatives") {
  for_each_pair_loss([]<class L>(const L& loss) {
    if (L::name == "kto_pair") return;  // nothing goes through its means
    CAPTURE(L::name);
    check_coefficients(preference_objective<L>(loss, {.loss_weight = 0.75, .sft_weight = 0.5}), made_up(examples_for(loss, 5, 3)));
    if constexpr (takes_ld_alpha<L>())
      check_coefficients(preference_objective<L>(loss, {.ld_alpha = 0.25}), made_up(examples_for(loss, 5, 2)));
    if constexpr (is_of_margin<L>())
      check_coefficients(preference_objective<L>(loss, {.f_divergence_type = divergence::js_divergence}),
                         made_up(examples_for(loss, 5, 2)));
  });
}

TEST_CASE("pair losses: every one trains") {
  for_each_pair_loss([]<class L>(const L& loss) {
    CAPTURE(L::name);
    trained(preference_objective<L>(loss), plain(), examples_for(loss, 12, 2));
  });
}

TEST_CASE("pair losses: a step in parts is the step, with the step's statistics") {
  const auto check = []<class L>(const L& loss) {
    CAPTURE(L::name);
    training_options whole = plain(), parts = plain(), small = plain();
    whole.batch_size = 6;
    parts.batch_size = small.batch_size = 2;
    parts.gradient_accumulation_steps = small.gradient_accumulation_steps = 3;
    parts.statistics = statistics_scope::step;
    const auto examples = examples_for(loss, 18, 2);
    const auto objective = preference_objective<L>(loss);
    const auto together = trained(objective, whole, examples), step_wide = trained(objective, parts, examples),
               micro = trained(objective, small, examples);
    CHECK(test::all_close(step_wide.second, together.second, 1e-12, 1e-2));
    // (A short run from policy = reference leaves the order of the gaps, which is all that aot's statistic is, as it was.)
    if (L::name != "aot") CHECK(bool(test::all_close(micro.second, together.second, 1e-12, 1e-2)) == !has_statistic<L>);
  };
  check(dpo{});
  check(aot{});
  check(aot_unpaired{});
  check(kto_pair{});
  check(cpo{});
  check(orpo{});
}

TEST_CASE("weighted sums of losses train as one") {
  const made_up data(random_examples(5, 2, 3));
  const auto objective = [](std::vector<std::pair<any_pair_loss, double>> parts, preference_terms terms = {}) {
    return preference_objective<any_pair_loss>(weighted_losses(std::move(parts)), terms);
  };
  const auto mpo = objective({{dpo{.beta = 0.5}, 0.8}, {bco_pair{.beta = 0.5}, 0.2}, {sft{}, 1.0}});
  CHECK_FALSE(mpo.separable());
  const auto one = [&](const auto& loss, double weight) { return loss_of(preference_objective(loss, {.loss_weight = weight}), data); };
  CHECK(test::close(loss_of(mpo, data), one(dpo{.beta = 0.5}, 0.8) + one(bco_pair{.beta = 0.5}, 0.2) + one(sft{}, 1), 1e-14));
  check_coefficients(mpo, data);
  // TRL's list and the term "sft" beside a loss are the same thing.
  CHECK(test::all_close(coefficients(objective({{dpo{}, 1.0}, {sft{}, 0.5}}), data),
                        coefficients(preference_objective(dpo{}, {.sft_weight = 0.5}), data), 1e-14, 1));
  // Each part reads its own columns, and the sum takes what all of its parts take.
  const made_up scored(examples_for(odpo{}, 5, 2));
  check_coefficients(objective({{odpo{}, 1.0}, {ipo{}, 0.5}}), scored);
  const preference_terms js{.f_divergence_type = divergence::js_divergence};
  const std::vector<double> linked = coefficients(objective({{dpo{}, 1.0}, {ipo{}, 0.5}}, js), data),
                            plain_sum = coefficients(objective({{dpo{}, 1.0}, {ipo{}, 0.5}}), data);
  CHECK_FALSE(bool(test::all_close(linked, plain_sum, 1e-6)));
  std::vector<double> expected = coefficients(preference_objective(dpo{}, js), data);
  const std::vector<double> second =
      coefficients(preference_objective(ipo{}, {.loss_weight = 0.5, .f_divergence_type = divergence::js_divergence}), data);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += second[i];
  CHECK(test::all_close(linked, expected, 1e-13, 1));
  CHECK_THROWS_WITH(objective({{dpo{}, 1.0}, {apo_zero{}, 0.5}}, js), Contains("f_divergence_type") && Contains("apo_zero"));
  CHECK_THROWS_WITH(objective({{dpo{}, 1.0}, {aot{}, 0.5}}, {.use_weighting = true}), Contains("use_weighting") && Contains("aot"));
  CHECK_THROWS_WITH(objective({{dpo{}, 1.0}, {slic{}, 0.5}}, {.ld_alpha = 0.5}), Contains("ld_alpha") && Contains("slic"));
}

TEST_CASE("WPO: pairs weigh as the policy would have written them") {
  world w;
  const auto examples = random_examples(4, 2, 3);
  tree_packs packs(4096);
  for (const prompt_tree& tree : examples) packs.add(tree);
  pass<B> scoring(w.policy, pass_kind::inference, {.log_squares = true});
  scoring.forward(packs[0]);
  // log Σ π² of a target against the softmax of the logits of its row.
  const std::vector<double> logits = scoring.logits();
  const auto v = static_cast<std::size_t>(w.policy.config().vocab_size);
  std::vector<double> of_rows;
  for (std::size_t r = 0; r < static_cast<std::size_t>(scoring.rows()); ++r) {
    long double total = 0, squares = 0;
    for (std::size_t k = 0; k < v; ++k)
      total += std::exp(static_cast<long double>(logits[r * v + k])), squares += std::exp(2 * static_cast<long double>(logits[r * v + k]));
    of_rows.push_back(static_cast<double>(std::log(squares / (total * total))));
  }
  std::vector<std::int32_t> sources;
  for (const auto& t : packs[0].targets) sources.push_back(static_cast<std::int32_t>(t.source));
  std::vector<std::int32_t> distinct = sources;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<double> expected;
  for (const auto s : sources)
    expected.push_back(of_rows[static_cast<std::size_t>(std::lower_bound(distinct.begin(), distinct.end(), s) - distinct.begin())]);
  CHECK(test::all_close(scoring.log_squares(), expected, 1e-12));

  // An objective with the weights is one without, on edges that have them.
  auto weighed = examples;
  const std::span<const double> logps = scoring.logps(), squares = scoring.log_squares();
  std::size_t response = 0;
  for (prompt_tree& tree : weighed) {
    const auto of = [&](std::size_t r) {
      const auto begin = static_cast<std::size_t>(packs[0].response_begin[r]),
                 count = static_cast<std::size_t>(packs[0].response_begin[r + 1]) - begin;
      return wpo_weight(logps.subspan(begin, count), squares.subspan(begin, count));
    };
    tree.edges[0].weight = of(response) * of(response + 1);
    response += 2;
  }
  training_options one = plain();
  one.max_steps = 1;
  world a, b;
  trainer<B, any> with(a.policy, any(preference_objective(ipo{.beta = 0.5}, {.use_weighting = true})), one);
  trainer<B, any> without(b.policy, any(preference_objective(ipo{.beta = 0.5})), one);
  double loss_with = 0, loss_without = 1;
  for (const auto& step : with.run(examples)) loss_with = step.metrics["loss"];
  for (const auto& step : without.run(weighed)) loss_without = step.metrics["loss"];
  CHECK(test::close(loss_with, loss_without, 1e-12));
  CHECK(test::all_close(a.weights(), b.weights(), 1e-12, 1e-2));
}

TEST_CASE("list losses: coefficients are derivatives, and every one trains") {
  const auto each = []<class L>(const L& loss) {
    CAPTURE(L::name);
    check_coefficients(list_objective<L>(loss), made_up(examples_for(loss, 4, 4)));
    trained(list_objective<L>(loss), plain(), examples_for(loss, 12, 4));
  };
  std::apply([&](const auto&... loss) { (each(loss), ...); }, list_losses{});
  // Of two responses, DPO: the same step.
  const auto pairs = random_examples(12, 2, 3);
  const auto a = trained(list_objective(plackett_luce{}), plain(), pairs), b = trained(preference_objective(dpo{}), plain(), pairs);
  CHECK(test::all_close(a.second, b.second, 1e-13, 1e-2));
  for (const metric& m : b.first.back()) {
    INFO(m.name);
    CHECK(test::close(a.first.back()[m.name], m.value, 1e-11, 1e-3));
  }
  CHECK_THROWS_WITH(list_objective(plackett_luce{}).check(random_examples(1, 1, 3)[0]), Contains("line 1") && Contains("two or more"));
  CHECK_THROWS_WITH(list_objective(lipo{}).check(random_examples(1, 3, 3)[0]), Contains("lipo") && Contains("score"));
}

TEST_CASE("single responses: apo_zero_unpaired and bco train, weights and all") {
  const auto examples = random_examples(12, 1, 3);
  check_coefficients(labelled_objective(apo_zero_unpaired{}), made_up(random_examples(6, 1, 3)));
  trained(labelled_objective(apo_zero_unpaired{}), plain(), examples);
  trained(labelled_objective(bco{}), plain(), examples);
  trained(labelled_objective(kto{}), plain(), examples);

  // A response of weight 0 is not there but for the mean.
  const made_up even(random_examples(4, 1, 3));
  made_up uneven = even;
  uneven.examples[1].responses[0].weight = 0;
  const auto all = coefficients(labelled_objective(apo_zero_unpaired{}), even),
             some = coefficients(labelled_objective(apo_zero_unpaired{}), uneven);
  const auto second = even.examples[0].responses[0].tokens.size();
  CHECK(all[second] != 0);
  CHECK(some[second] == 0);
  CHECK(some[0] == all[0]);
}

TEST_CASE("bco: the running mean goes on from batch to batch, and evaluation leaves it alone") {
  const made_up data(random_examples(4, 1, 3));
  double mean = 0;
  for (std::size_t i = 0; i < data.policy.size(); ++i) mean += (data.policy[i] - data.reference[i]) / 4;
  labelled_objective objective(bco{.beta = 0.5});
  CHECK(objective.state() == std::vector<double>{0, 0});
  CHECK_FALSE(objective.separable());
  const batch_scores<double> scores = data.scores();
  const micro_batch<double> batch{data.examples, data.members, scores, data.reference};
  meters m;
  objective.list(m);
  objective.begin({1, 100});
  objective.record(batch, m);
  CHECK(objective.state() == std::vector<double>{0, 0});
  std::vector<double> d(data.policy.size());
  objective.differentiate(batch, {0, 4, 0}, std::span<double>(d));
  CHECK(test::close(objective.state()[0], mean, 1e-12));
  objective.differentiate(batch, {0, 4, 0}, std::span<double>(d));
  CHECK(test::close(objective.state()[0], mean, 1e-12));
  CHECK(objective.state()[1] == 2);
  labelled_objective other(bco{.beta = 0.5});
  other.restore({3, 1});
  other.differentiate(batch, {0, 4, 0}, std::span<double>(d));
  CHECK(test::close(other.state()[0], (3 + mean) / 2, 1e-12));
  CHECK_THROWS_AS(other.restore({}), input_error);
}

TEST_CASE("TR-DPO: the reference follows the policy") {
  const auto examples = random_examples(12, 2, 3);
  training_options options = plain();
  options.reference = reference_mode::online;
  options.sync_ref_model = true;
  options.ref_model_sync_steps = 1;
  options.ref_model_mixup_alpha = 1;
  // Replaced after every step: each begins at policy = reference, where DPO's loss is log 2.
  const auto hard = trained(preference_objective(dpo{}), options, examples);
  for (const metric_list& line : hard.first) {
    CHECK(test::close(line["loss"], std::log(2.0), 1e-14));
    CHECK(line["rewards/margins"] == 0);
  }
  options.ref_model_sync_steps = 2;
  CHECK(trained(preference_objective(dpo{}), options, examples).first[1]["rewards/margins"] != 0);

  // A soft update: a share of the way, from where it was.
  options.ref_model_mixup_alpha = 0.25;
  options.max_steps = 2;
  world w;
  const std::vector<double> before = w.weights();
  trainer run(w.policy, preference_objective(dpo{}), options);
  for (const step_report& step : run.run(examples)) CHECK(step.step > 0);
  const std::vector<double> after = w.weights(), reference = run.state().reference_weights;
  std::vector<double> expected;
  for (std::size_t i = 0; i < before.size(); ++i) expected.push_back(0.25 * after[i] + 0.75 * before[i]);
  CHECK(test::all_close(reference, expected, 1e-14, 1e-2));

  // Another model as the reference is followed in a copy; it is not changed.
  world policy(5), other(6);
  const std::vector<double> own = other.weights();
  trainer foreign(policy.policy, other.policy, preference_objective(dpo{}), options);
  for (const step_report& step : foreign.run(examples)) CHECK(step.step > 0);
  const bool untouched = other.weights() == own;
  CHECK(untouched);
}

TEST_CASE("options against losses in training: unused ones are refused by both names") {
  for_each_pair_loss([]<class L>(const L&) {
    CAPTURE(L::name);
    const auto refuses = [](const preference_terms& terms, const char* option, bool refused) {
      if (refused)
        CHECK_THROWS_WITH(preference_objective<L>(L{}, terms),
                          Contains(option) && Contains(std::string(L::name)) && Contains("does not use it"));
      else
        CHECK_NOTHROW(preference_objective<L>(L{}, terms));
    };
    refuses({.f_divergence_type = divergence::forward_kl}, "f_divergence_type", !is_of_margin<L>());
    refuses({.ld_alpha = 0.5}, "ld_alpha", !takes_ld_alpha<L>());
    refuses({.use_weighting = true}, "use_weighting", !takes_weights<L>());
    // And columns of the data.
    auto tree = examples_for(L{}, 1, 2)[0];
    preference_objective<L> objective;
    CHECK_NOTHROW(objective.check(tree));
    auto soft = tree;
    soft.edges[0].win_probability = 0.5;
    if (uses_win_probability(L{}))
      CHECK_NOTHROW(objective.check(soft));
    else
      CHECK_THROWS_WITH(objective.check(soft), Contains("line 1") && Contains(std::string(L::name)) && Contains("win_probability"));
    auto weighed = tree;
    weighed.edges[0].weight = 2;
    if (takes_weights<L>())
      CHECK_NOTHROW(objective.check(weighed));
    else
      CHECK_THROWS_WITH(objective.check(weighed), Contains(std::string(L::name)) && Contains("weigh"));
    if (!uses_scores(L{})) return;
    tree.responses[1].score.reset();
    CHECK_THROWS_WITH(objective.check(tree), Contains(std::string(L::name)) && Contains("score"));
  });
  CHECK_THROWS_WITH(preference_objective(dpo{}, {.f_alpha_divergence_coef = 0.3}), Contains("f_alpha_divergence_coef"));

  const auto options_refuse = [](training_options o, const char* option) { CHECK_THROWS_WITH(o.check(), Contains(option)); };
  options_refuse({.sync_ref_model = true}, "sync_ref_model");  // the reference is cached
  options_refuse({.ref_model_mixup_alpha = 0.5}, "ref_model_mixup_alpha");
  options_refuse({.ref_model_sync_steps = 4}, "ref_model_sync_steps");
  options_refuse({.reference = reference_mode::online, .sync_ref_model = true, .ref_model_mixup_alpha = 0}, "ref_model_mixup_alpha");
  options_refuse({.reference = reference_mode::online, .sync_ref_model = true, .ref_model_sync_steps = 0}, "ref_model_sync_steps");
  world w;
  training_options moving = plain();
  moving.reference = reference_mode::online;
  moving.sync_ref_model = true;
  CHECK_THROWS_AS(trainer(w.policy, preference_objective(simpo{}), moving), input_error);
}
