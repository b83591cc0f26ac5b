// SPDX-License-Identifier: Apache-2.0
// Ranked lists: closed forms, differences, extremes, and what an order of the responses means to each loss.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <tilt/loss/all_pairs.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/lipo.hpp>
#include <tilt/loss/negatives.hpp>
#include <tilt/loss/plackett_luce.hpp>
#include <tilt/loss/softmax_dpo.hpp>
#include <vector>

#include "pair_suite.hpp"

using namespace tilt;
using namespace tilt::test;

namespace {

using list = std::vector<response_logps<double>>;
/// Log-ratios given, scores falling.
list of_ratios(const std::vector<double>& ratios) {
  list y;
  for (std::size_t k = 0; k < ratios.size(); ++k) y.push_back({ratios[k] - 10, -10, 3, 1 - 0.25 * static_cast<double>(k)});
  return y;
}
template <class L> std::pair<double, std::vector<double>> evaluated(const L& loss, const list& y) {
  std::vector<double> slopes(y.size());
  const double value = differentiate(loss, ranked_logps<double>{y.data(), static_cast<index>(y.size())}, slopes.data());
  return {value, slopes};
}
template <class L> double value(const L& loss, const list& y) { return evaluated(loss, y).first; }

const std::vector<std::vector<double>> rankings{
    {0.5, -1}, {0.5, 2, -1}, {3, -2, 0.25, -7}, {1, 2, 3, 4, 5.5}, {-9, 6, 0.125, 2.5, -4, 11, -0.75}};

template <class L, class Closed> void check_list_loss(const L& loss, const Closed& closed) {
  for (const auto& ratios : rankings) {
    CAPTURE(L::name, ratios.size());
    const list y = of_ratios(ratios);
    const auto [v, slopes] = evaluated(loss, y);
    CHECK(close(v, closed(std::vector<long double>(ratios.begin(), ratios.end())), tolerance<double>::sum(32), 1));
    CHECK(v == loss(ranked_logps<double>{y.data(), static_cast<index>(y.size())}));
    for (std::size_t k = 0; k < y.size(); ++k) {
      list up = y, down = y;
      const double h = tolerance<double>::step(y[k].policy);
      up[k].policy += h;
      down[k].policy -= h;
      CHECK(close((value(loss, up) - value(loss, down)) / (up[k].policy - down[k].policy), slopes[k], tolerance<double>::difference(),
                  std::max(1.0, std::abs(v))));
    }
  }
  for (const double size : {1e4, -1e4, 1e5, -1e5}) {
    const auto [v, slopes] = evaluated(loss, of_ratios({size, -size / 2, -size, 0, size}));
    CHECK(std::isfinite(v));
    for (const double s : slopes) CHECK(std::isfinite(s));
  }
  // In float, and over a list that is not a pointer.
  const list y = of_ratios(rankings[2]);
  std::vector<response_logps<float>> narrow;
  for (const auto& r : y)
    narrow.push_back({static_cast<float>(r.policy), static_cast<float>(r.reference), r.tokens, static_cast<float>(r.score)});
  CHECK(close(loss(ranked_logps<float>{narrow.data(), 4}), value(loss, y), tolerance<float>::sum(32), 1));
}

}  // namespace

TEST_CASE("plackett_luce") {
  check_list_loss(plackett_luce{.beta = 0.5}, [](const std::vector<long double>& u) {
    long double loss = 0;
    for (std::size_t k = 0; k + 1 < u.size(); ++k) {
      long double sum = 0;
      for (std::size_t j = k; j < u.size(); ++j) sum += std::exp(0.5L * (u[j] - u[k]));
      loss += std::log(sum);
    }
    return loss;
  });
  // The probabilities of all orders add up to 1.
  list y = of_ratios(rankings[2]);
  std::vector<std::size_t> order(4);
  std::iota(order.begin(), order.end(), std::size_t{0});
  double total = 0;
  do {
    list z;
    for (const std::size_t k : order) z.push_back(y[k]);
    total += std::exp(-value(plackett_luce{.beta = 0.5}, z));
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(close(total, 1, tolerance<double>::sum(24)));
}

TEST_CASE("all_pairs") {
  check_list_loss(all_pairs{.beta = 0.5}, [](const std::vector<long double>& u) {
    long double loss = 0, count = 0;
    for (std::size_t i = 0; i < u.size(); ++i)
      for (std::size_t j = i + 1; j < u.size(); ++j) loss += minus_log_sigma(0.5L * (u[i] - u[j])), ++count;
    return loss / count;
  });
}

TEST_CASE("s_dpo") {
  check_list_loss(softmax_dpo{.beta = 0.5}, [](const std::vector<long double>& u) {
    long double sum = 1;
    for (std::size_t k = 1; k < u.size(); ++k) sum += std::exp(0.5L * (u[k] - u[0]));
    return std::log(sum);
  });
}

TEST_CASE("lipo") {
  check_list_loss(lipo{.beta = 0.5}, [](const std::vector<long double>& u) {
    const auto gain = [](std::size_t k) { return std::exp2(1 - 0.25L * static_cast<long double>(k)); };
    const auto discount = [&](std::size_t k) {
      return 1 / std::log(2 + static_cast<long double>(std::count_if(u.begin(), u.end(), [&](long double x) { return x > u[k]; })));
    };
    long double loss = 0;
    for (std::size_t i = 0; i < u.size(); ++i)
      for (std::size_t j = i + 1; j < u.size(); ++j)
        loss += (gain(i) - gain(j)) * std::abs(discount(i) - discount(j)) * minus_log_sigma(0.5L * (u[i] - u[j]));
    return loss;
  });
  // Without scores nothing is known, and the engine says so; equal ones weigh nothing.
  const int begin[] = {0, 2};
  const double p[] = {-1, -2};
  CHECK_THROWS_WITH(evaluate(lipo{}, list_batch<double>{.begin = begin, .policy = p, .reference = p}), Catch::Matchers::Contains("score"));
  list y = of_ratios({1, 0});
  y[1].score = y[0].score;
  CHECK(value(lipo{}, y) == 0);
  // Where policy = reference the list's own order ranks: there is a slope to start from.
  CHECK(evaluated(lipo{}, of_ratios({0, 0, 0})).second[0] < 0);
}

TEST_CASE("dpo_negatives, bounded and naive") {
  const auto check = [](const auto& loss, int sign) {
    check_list_loss(loss, [sign](const std::vector<long double>& u) {
      long double sum = minus_log_sigma(0.5L * (u[0] - u[1]));
      for (std::size_t k = 2; k < u.size(); ++k)
        sum += sign > 0 ? 0.25L * minus_log_sigma(-0.5L * u[k]) : -0.25L * minus_log_sigma(0.5L * u[k]);
      return sum;
    });
  };
  check(dpo_negatives{.beta = 0.5, .negative_weight = 0.25}, 1);
  check(dpo_negatives_naive{.beta = 0.5, .negative_weight = 0.25}, -1);
  // Down a bad response's log-ratio: one loss falls without end, with a slope that never fades; the other comes to rest at its floor.
  const auto at = [](const auto& loss, double u) { return evaluated(loss, of_ratios({0, 0, u})); };
  const dpo_negatives_naive naive{.beta = 1, .negative_weight = 0.01};
  CHECK(close(at(naive, -5000).first, std::log(2.0) - 50, tolerance<double>::value));
  CHECK(close(at(naive, -1e6).second[2], 0.01, tolerance<double>::value));
  CHECK(at(naive, -1e6).first < -9000);
  const dpo_negatives bounded{.beta = 1, .negative_weight = 0.01};
  CHECK(close(at(bounded, -5000).first, std::log(2.0), tolerance<double>::value));
  CHECK(at(bounded, -5000).second[2] == 0);
  CHECK(at(bounded, 5000).second[2] == 0.01);  // both push a bad response down
  CHECK(at(naive, -1).second[2] > 0);
}

TEST_CASE("two responses are DPO's pair") {
  const list y = of_ratios({2, -1});
  const dual<double, 2> pair = differentiate(dpo{.beta = 0.7}, pair_logps<double>{y[0], y[1]});
  const auto same = [&](const auto& loss) {
    const auto [v, slopes] = evaluated(loss, y);
    CHECK(close(v, pair.value, tolerance<double>::value));
    CHECK(close(slopes[0], pair.slope[0], tolerance<double>::gradient));
    CHECK(close(slopes[1], pair.slope[1], tolerance<double>::gradient));
  };
  same(plackett_luce{.beta = 0.7});
  same(all_pairs{.beta = 0.7});
  same(softmax_dpo{.beta = 0.7});
  same(dpo_negatives{.beta = 0.7});
  same(dpo_negatives_naive{.beta = 0.7});
}

TEST_CASE("lists: what is invariant, and what is not") {
  struct row {
    bool prompt_shift;    // a constant added to all log-ratios of a prompt
    bool rejected_order;  // the order of all but the first
    bool any_order;       // the order of all
  };
  const auto check = [](const auto& loss, const row& expected) {
    CAPTURE(loss.name);
    const list y = of_ratios({3, -2, 0.25, -7});
    list offset = y, shifted = y, swapped = y, turned = y;
    for (std::size_t k = 0; k < 4; ++k) offset[k].policy += 8, offset[k].reference += 8, shifted[k].policy += 4;
    std::swap(swapped[1], swapped[3]);
    std::swap(turned[0], turned[2]);
    const double v = value(loss, y);
    CHECK(value(loss, offset) == v);  // a response's own offset says nothing
    CHECK((std::abs(value(loss, shifted) - v) < 1e-12) == expected.prompt_shift);
    CHECK((std::abs(value(loss, swapped) - v) < 1e-12) == expected.rejected_order);
    CHECK((std::abs(value(loss, turned) - v) < 1e-12) == expected.any_order);
  };
  check(plackett_luce{.beta = 0.5}, {true, false, false});
  check(all_pairs{.beta = 0.5}, {true, false, false});
  check(lipo{.beta = 0.5}, {true, true, true});  // the scores say what is better, not the places
  check(softmax_dpo{.beta = 0.5}, {true, true, false});
  check(dpo_negatives{.beta = 0.5, .negative_weight = 1}, {false, false, false});
  check(dpo_negatives_naive{.beta = 0.5, .negative_weight = 1}, {false, false, false});
}

TEST_CASE("evaluate on lists: parts add up, metrics are the best response's, bad input is refused") {
  const std::vector<double> policy{-1, -3, -2, -8, -4.5, -6, -5}, reference{-2, -2.5, -2, -7, -4, -6.5, -5.25};
  const std::vector<int> begin{0, 2, 7}, length{1, 2, 3, 4, 5, 6, 7};
  std::vector<double> gradient(7), rewards(7), losses(2);
  const list_batch<double> b{.begin = begin, .policy = policy, .reference = reference, .length = length};
  const plackett_luce loss{.beta = 0.5};
  const pair_metrics m = evaluate(loss, b, {.losses = losses, .gradient = gradient, .rewards = rewards});
  for (std::size_t i = 0; i < 2; ++i) {
    list y;
    for (int k = begin[i]; k < begin[i + 1]; ++k)
      y.push_back({policy[static_cast<std::size_t>(k)], reference[static_cast<std::size_t>(k)]});
    const auto [v, slopes] = evaluated(loss, y);
    CHECK(losses[i] == v);
    for (std::size_t k = 0; k < slopes.size(); ++k) CHECK(gradient[static_cast<std::size_t>(begin[i]) + k] == slopes[k] / 2);
  }
  CHECK(m.loss == (losses[0] + losses[1]) / 2);
  CHECK(evaluate(loss, b).loss == m.loss);
  CHECK(rewards[1] == 0.5 * -0.5);
  // Best against the rest: 1 against −0.5, then 0 against −1, −0.5, 0.5, 0.25.
  CHECK(close(m.rewards_accuracies, 3.0 / 5, tolerance<double>::value));
  CHECK(close(m.rewards_margins, 0.5 * (1.5 + 1 + 0.5 - 0.5 - 0.25) / 5, tolerance<double>::sum(5)));
  CHECK(close(m.length_rejected, (2.0 + 4 + 5 + 6 + 7) / 5, tolerance<double>::value));
  list_batch<double> weighted = b;
  const std::vector<double> weights{2, 0};
  weighted.weights = weights;
  CHECK(evaluate(loss, weighted).loss == losses[0]);

  using Catch::Matchers::Contains;
  const int lonely[] = {0, 1, 7}, short_of[] = {0, 2, 6}, late[] = {1, 7};
  list_batch<double> bad = b;
  bad.begin = lonely;
  CHECK_THROWS_WITH(evaluate(loss, bad), Contains("list 0") && Contains("needs two"));
  bad.begin = short_of;
  CHECK_THROWS_WITH(evaluate(loss, bad), Contains("policy: "));
  bad.begin = late;
  CHECK_THROWS_WITH(evaluate(loss, bad), Contains("begin: "));
  bad = b;
  bad.score = policy;
  CHECK_THROWS_WITH(evaluate(loss, bad), Contains("score") && Contains("plackett_luce"));
  bad = b;
  bad.reference = {};
  CHECK_THROWS_WITH(evaluate(loss, bad), Contains("reference: "));
}
