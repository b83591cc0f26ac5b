// SPDX-License-Identifier: Apache-2.0
// Pair losses that need to know something of the whole batch. Slopes are those of the batch's loss: nothing goes through means, and through a
// sort goes what a sort passes on.
#include <algorithm>
#include <cmath>
#include <tilt/loss/aot.hpp>
#include <tilt/loss/kto_pair.hpp>
#include <tilt/loss/likelihood.hpp>
#include <tilt/loss/mixture.hpp>
#include <vector>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;

namespace {

struct batch_of_pairs {
  std::vector<double> chosen{-10, -4.5, -22, -7, -3}, rejected{-12, -6, -20, -3, -9.25}, chosen_reference{-11, -4, -25, -7.5, -3},
      rejected_reference{-10, -9, -21, -2, -9};
  std::vector<int> chosen_length{4, 2, 9, 3, 2}, rejected_length{5, 3, 8, 2, 4};
  pair_batch<double> view() const {
    return {.policy_chosen = chosen,
            .policy_rejected = rejected,
            .reference_chosen = chosen_reference,
            .reference_rejected = rejected_reference,
            .length_chosen = chosen_length,
            .length_rejected = rejected_length};
  }
};

template <class L> double loss_of(const L& loss, const batch_of_pairs& b) { return evaluate(loss, b.view()).loss; }

/// The batch's gradient against central differences of the batch's loss, where the loss differentiates through its statistic.
template <class L> void gradient_is_the_batch_loss_s(const L& loss) {
  const batch_of_pairs b;
  std::vector<double> chosen(5), rejected(5);
  evaluate(loss, b.view(), {.gradient_chosen = chosen, .gradient_rejected = rejected});
  for (std::size_t i = 0; i < 5; ++i)
    for (const bool first : {true, false}) {
      const double x = (first ? b.chosen : b.rejected)[i], h = tolerance<double>::step(x);
      batch_of_pairs up = b, down = b;
      (first ? up.chosen : up.rejected)[i] = x + h;
      (first ? down.chosen : down.rejected)[i] = x - h;
      CAPTURE(L::name, i, first);
      CHECK(close((loss_of(loss, up) - loss_of(loss, down)) / (2 * h), (first ? chosen : rejected)[i], tolerance<double>::difference(), 1));
    }
}

}  // namespace

TEST_CASE("aot: the policy's gaps meet the reference's by rank") {
  const batch_of_pairs b;
  for (const aot& loss : {aot{.beta = 0.5}, aot{.beta = 0.3, .label_smoothing = 0.2}}) {
    std::vector<double> policy, reference;
    for (std::size_t i = 0; i < 5; ++i)
      policy.push_back(b.chosen[i] - b.rejected[i]), reference.push_back(b.chosen_reference[i] - b.rejected_reference[i]);
    std::sort(policy.begin(), policy.end());
    std::sort(reference.begin(), reference.end());
    long double sum = 0;
    for (std::size_t r = 0; r < 5; ++r) {
      const long double m = loss.beta * static_cast<long double>(policy[r] - reference[r]), e = loss.label_smoothing;
      sum += (1 - e) * minus_log_sigma(m) + e * minus_log_sigma(-m);
    }
    CHECK(close(loss_of(loss, b), sum / 5, tolerance<double>::sum(5)));
    gradient_is_the_batch_loss_s(loss);
    is_finite_at_extremes<double>(loss, {-1, 1, loss.label_smoothing > 0 ? 1 : 0, loss.label_smoothing > 0 ? -1 : 0}, loss.beta, 0);
    takes_any_number(loss, 0.25);
  }
}

TEST_CASE("aot_unpaired: chosen log-ratios meet rejected ones by rank") {
  const batch_of_pairs b;
  for (const aot_unpaired& loss : {aot_unpaired{.beta = 0.5}, aot_unpaired{.beta = 0.3, .label_smoothing = 0.2}}) {
    std::vector<double> chosen, rejected;
    for (std::size_t i = 0; i < 5; ++i)
      chosen.push_back(b.chosen[i] - b.chosen_reference[i]), rejected.push_back(b.rejected[i] - b.rejected_reference[i]);
    std::sort(chosen.begin(), chosen.end());
    std::sort(rejected.begin(), rejected.end());
    long double sum = 0;
    for (std::size_t r = 0; r < 5; ++r) {
      const long double m = loss.beta * static_cast<long double>(chosen[r] - rejected[r]), e = loss.label_smoothing;
      sum += (1 - e) * minus_log_sigma(m) + e * minus_log_sigma(-m);
    }
    CHECK(close(loss_of(loss, b), sum / 5, tolerance<double>::sum(5)));
    gradient_is_the_batch_loss_s(loss);
    is_finite_at_extremes<double>(loss, {-1, 1, loss.label_smoothing > 0 ? 1 : 0, loss.label_smoothing > 0 ? -1 : 0}, loss.beta, {0, 0});
    takes_any_number(loss, {0.25, -0.5});
  }
}

TEST_CASE("aot: equal numbers are paired in their order, and a batch of one is DPO's") {
  const std::vector<double> same(3, -2.0), reference{-1, -3, -2};
  std::vector<double> losses(3);
  evaluate(aot{.beta = 1}, pairs(same, same, reference, same), {.losses = losses});
  CHECK(close(losses[0], minus_log_sigma(1), tolerance<double>::value));  // gaps 0, 0, 0 against −1, 0, 1
  CHECK(close(losses[1], minus_log_sigma(0), tolerance<double>::value));
  CHECK(close(losses[2], minus_log_sigma(-1), tolerance<double>::value));
  const double c[] = {-1}, r[] = {-3}, cr[] = {-2}, rr[] = {-2};
  CHECK(close(evaluate(aot{.beta = 0.5}, pairs(c, r, cr, rr)).loss, minus_log_sigma(1), tolerance<double>::value));
  CHECK(close(evaluate(aot_unpaired{.beta = 0.5}, pairs(c, r, cr, rr)).loss, minus_log_sigma(1), tolerance<double>::value));
}

TEST_CASE("aot refuses weights of pairs, which its pairing would mix up") {
  const batch_of_pairs b;
  pair_batch<double> view = b.view();
  view.weights = b.chosen;
  CHECK_THROWS_WITH(evaluate(aot{}, view), Catch::Matchers::Contains("weights") && Catch::Matchers::Contains("aot"));
  CHECK_THROWS_AS(evaluate(aot_unpaired{}, view), input_error);
}

TEST_CASE("kto_pair: each side's reference point is the other side's mean") {
  const paired_reference_points::values z{1.5, 0.25};
  check_pair_loss(
      kto_pair{0.5}, {0, 0, 0, 0}, 0.5,
      [&](const pair_logps<long double>& y) {
        const long double u = 0.5L * (y.chosen.log_ratio() - 0.25L), v = 0.5L * (1.5L - y.rejected.log_ratio());
        return value_and_slopes{(sigma(-u) + sigma(-v)) / 2, -0.25L * sigma(u) * sigma(-u), 0.25L * sigma(v) * sigma(-v)};
      },
      no_kink, z);
  const batch_of_pairs b;
  paired_reference_points points;
  evaluate(kto_pair{}, b.view(), {}, points);
  CHECK(close(points.value().chosen, (1 - 0.5 + 3 + 0.5 + 0) / 5, tolerance<double>::sum(5)));
  CHECK(close(points.value().rejected, (-2 + 3 + 1 - 1 - 0.25) / 5, tolerance<double>::sum(5)));
  points.begin();
  points.add(pair_logps<double>{{-4, -1}, {-3, -1}});
  CHECK((points.value().chosen == 0 && points.value().rejected == 0));  // not below 0
}

TEST_CASE("sft: the mean over all chosen tokens of the batch") {
  const batch_of_pairs b;
  std::vector<double> chosen(5), rejected(5);
  const pair_metrics m = evaluate(sft{.beta = 0.5}, b.view(), {.gradient_chosen = chosen, .gradient_rejected = rejected});
  CHECK(close(m.loss, 46.5 / 20, tolerance<double>::sum(5)));
  CHECK(all_close(chosen, std::vector<double>(5, -1.0 / 20), tolerance<double>::value));
  CHECK(rejected == std::vector<double>(5));
  CHECK(close(m.rewards_chosen, 0.5 * (1 - 0.5 + 3 + 0.5 + 0) / 5, tolerance<double>::sum(5)));  // as TRL logs it
  gradient_is_the_batch_loss_s(sft{});
  is_finite_at_extremes<double>(sft{}, {-1, 0, -1, 0}, 0.1, 5);
  CHECK_THROWS_WITH(evaluate(sft{}, pairs(b.chosen, b.rejected, b.chosen_reference, b.rejected_reference)),
                    Catch::Matchers::Contains("length"));
}

TEST_CASE("mixtures are weighted sums, statistics and all") {
  const batch_of_pairs b;
  const mixture all{std::tuple(kto_pair{.beta = 0.3}, aot_unpaired{.beta = 0.2}, sft{}), {0.8, 0.5, 2}};
  std::vector<double> chosen(5), rejected(5);
  const pair_metrics m = evaluate(all, b.view(), {.gradient_chosen = chosen, .gradient_rejected = rejected});
  std::vector<double> expected(5), expected_rejected(5);
  double loss = 0;
  const auto add = [&](const auto& part, double w) {
    std::vector<double> c(5), r(5);
    loss += w * evaluate(part, b.view(), {.gradient_chosen = c, .gradient_rejected = r}).loss;
    for (std::size_t i = 0; i < 5; ++i) expected[i] += w * c[i], expected_rejected[i] += w * r[i];
  };
  add(kto_pair{.beta = 0.3}, 0.8);
  add(aot_unpaired{.beta = 0.2}, 0.5);
  add(sft{}, 2);
  CHECK(close(m.loss, loss, tolerance<double>::sum(5)));
  CHECK(all_close(chosen, expected, tolerance<double>::sum(5)));
  CHECK(all_close(rejected, expected_rejected, tolerance<double>::sum(5)));
  CHECK(close(m.rewards_margins, 0.3 * (0.8 - 0.15), tolerance<double>::sum(10)));  // the first loss's
  CHECK(all.uses_lengths());
  CHECK_FALSE(takes_weights<decltype(all)>());
  CHECK_THROWS_WITH((mixture{std::tuple(sft{}, kto_pair{}), {0, 0}}.check()), Catch::Matchers::Contains("loss_weights"));
  CHECK_THROWS_WITH((mixture{std::tuple(sft{}, kto_pair{.beta = 0}), {1, 1}}.check()), Catch::Matchers::Contains("beta"));
}
