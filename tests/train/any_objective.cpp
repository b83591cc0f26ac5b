// SPDX-License-Identifier: Apache-2.0
// Losses chosen at run time: the same bits as the same losses chosen at compile time.
#include <tilt/loss/any_pair_loss.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/train/any_objective.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"
#include "world.hpp"

namespace {

using namespace tilt;
using tilt::test::random_examples;
using tilt::test::world;

/// Weights after a run and all that its log has, one after the other.
template <class Objective>
std::vector<double> outcome(Objective objective, const std::vector<prompt_tree>& examples, tilt::index max_tokens = 64) {
  world w;
  trainer<reference_backend<double>, Objective> run(w.policy, std::move(objective),
                                                    {.learning_rate = 1e-2, .batch_size = 4, .max_steps = 6, .max_tokens = max_tokens});
  std::vector<double> numbers;
  for (const step_report& step : run.run(examples))
    for (const metric& m : step.metrics) numbers.push_back(m.value);
  const std::vector<double> weights = w.weights();
  numbers.insert(numbers.end(), weights.begin(), weights.end());
  return numbers;
}

any_objective<double> any(any_objective<double> objective) { return objective; }

/// A pair loss that needs no reference, and one with a statistic of the batch.
struct likelihood_margin {
  double beta = 1;
  static constexpr bool reference_free = true;
  template <class T> T operator()(const pair_logps<T>& y) const {
    return log_sigmoid(y.rejected.policy - y.chosen.policy) * constant<T>(-1);
  }
};
struct mean_of_chosen {
  double sum = 0;
  tilt::index count = 0;
  template <class T> void add(const pair_logps<T>& y) { sum += static_cast<double>(y.chosen.log_ratio()), ++count; }
  double value() const { return sum / static_cast<double>(count); }
};
struct against_the_mean {
  double beta = 1;
  using statistic = mean_of_chosen;
  template <class T> T operator()(const pair_logps<T>& y, double mean) const {
    return square(y.chosen.log_ratio() - y.rejected.log_ratio() - constant<T>(1 + mean));
  }
};

}  // namespace

TEST_CASE("an objective behind any_objective trains to the same bits") {
  const auto pairs = random_examples(12, 2, 1), singles = random_examples(12, 1, 2);
  CHECK(outcome(any(preference_objective(dpo{}, {.sft_weight = 0.3})), pairs) ==
        outcome(preference_objective(dpo{}, {.sft_weight = 0.3}), pairs));
  CHECK(outcome(any(preference_objective(against_the_mean{})), pairs) == outcome(preference_objective(against_the_mean{}), pairs));
  CHECK(outcome(any(preference_objective(likelihood_margin{})), pairs) == outcome(preference_objective(likelihood_margin{}), pairs));
  CHECK(outcome(any(labelled_objective(kto{})), singles) == outcome(labelled_objective(kto{}), singles));
  CHECK(outcome(any(sft_objective(sft_loss::dft)), singles) == outcome(sft_objective(sft_loss::dft), singles));
}

TEST_CASE("a loss behind any_pair_loss trains to the same bits") {
  const auto pairs = random_examples(12, 2, 1);
  const auto check = [&](const auto& loss) {
    const preference_objective<any_pair_loss> chosen_late(any_pair_loss(loss), {.ld_alpha = 0.5});
    const preference_objective chosen_early(loss, {.ld_alpha = 0.5});
    CHECK(chosen_late.name() == chosen_early.name());
    CHECK(chosen_late.needs_reference() == chosen_early.needs_reference());
    CHECK(chosen_late.separable() == chosen_early.separable());
    for (const tilt::index max_tokens : {1, 4096})
      CHECK(outcome(chosen_late, pairs, max_tokens) == outcome(chosen_early, pairs, max_tokens));
  };
  check(dpo{.beta = 0.3, .label_smoothing = 0.1});
  check(ipo{});
  check(hinge{});
  check(likelihood_margin{});
  check(against_the_mean{});
}

TEST_CASE("weighted losses: sums of losses and of gradients, rewards of the first") {
  const std::vector<double> chosen{-3, -5, -4}, rejected{-6, -4, -9}, none(3, -5);
  const std::vector<tilt::index> lengths{3, 4, 5};
  const pair_batch<double> batch{.policy_chosen = chosen,
                                 .policy_rejected = rejected,
                                 .reference_chosen = none,
                                 .reference_rejected = none,
                                 .length_chosen = lengths,
                                 .length_rejected = lengths};
  struct result {
    pair_metrics metrics;
    std::vector<double> losses = std::vector<double>(3), up = losses, down = losses, rewards = losses;
  };
  const auto of = [&](any_pair_loss loss) {
    result r;
    r.metrics =
        evaluate(loss, batch, {.losses = r.losses, .gradient_chosen = r.up, .gradient_rejected = r.down, .rewards_chosen = r.rewards});
    return r;
  };
  const result a = of(dpo{.beta = 0.3}), b = of(ipo{}), sum = of(weighted_losses({{dpo{.beta = 0.3}, 0.8}, {ipo{}, 0.25}}));
  const double tolerance = tilt::test::tolerance<double>::value;
  CHECK(tilt::test::close(sum.metrics.loss, 0.8 * a.metrics.loss + 0.25 * b.metrics.loss, tolerance));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(tilt::test::close(sum.losses[i], 0.8 * a.losses[i] + 0.25 * b.losses[i], tolerance));
    CHECK(tilt::test::close(sum.up[i], 0.8 * a.up[i] + 0.25 * b.up[i], tolerance));
    CHECK(tilt::test::close(sum.down[i], 0.8 * a.down[i] + 0.25 * b.down[i], tolerance));
  }
  CHECK(sum.rewards == a.rewards);
  CHECK(of(weighted_losses({{dpo{.beta = 0.3}, 1}, {ipo{}, 0}})).up == a.up);
  CHECK(any_pair_loss(weighted_losses({{likelihood_margin{}, 1}})).uses_reference() == false);
  CHECK(any_pair_loss(weighted_losses({{likelihood_margin{}, 1}, {dpo{}, 1}})).uses_reference());
  CHECK(any_pair_loss(weighted_losses({{dpo{}, 1}, {against_the_mean{}, 1}})).has_statistic());
  CHECK_THROWS_AS(weighted_losses({{dpo{}, 0}, {ipo{}, 0}}), input_error);
  CHECK_THROWS_AS(weighted_losses({{dpo{}, -1}, {ipo{}, 2}}), input_error);
  CHECK_THROWS_AS(weighted_losses({}), input_error);
}
