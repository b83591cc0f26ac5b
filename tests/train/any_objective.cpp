// SPDX-License-Identifier: Apache-2.0
// Losses chosen at run time: the same bits as the same losses chosen at compile time.
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
  CHECK(outcome(any(preference_objective(dpo{}, {.loss_weight = 0.3})), pairs) ==
        outcome(preference_objective(dpo{}, {.loss_weight = 0.3}), pairs));
  CHECK(outcome(any(preference_objective(against_the_mean{})), pairs) == outcome(preference_objective(against_the_mean{}), pairs));
  CHECK(outcome(any(preference_objective(likelihood_margin{})), pairs) == outcome(preference_objective(likelihood_margin{}), pairs));
  CHECK(outcome(any(labelled_objective(kto{})), singles) == outcome(labelled_objective(kto{}), singles));
  CHECK(outcome(any(sft_objective(sft_loss::dft)), singles) == outcome(sft_objective(sft_loss::dft), singles));
}
