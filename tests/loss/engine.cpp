// SPDX-License-Identifier: Apache-2.0
// The engine: what it takes, what it writes, what it refuses; statistics; ranked lists.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using Catch::Matchers::Contains;
using test::all_close;
using test::close;
using test::tolerance;

namespace {

template <class T> struct example_pairs {
  std::vector<T> policy_chosen, policy_rejected, reference_chosen, reference_rejected, weights;
  std::vector<int> length_chosen, length_rejected;
  explicit example_pairs(index n) {
    const philox draws(5);
    for (index i = 0; i < n; ++i) {
      const auto draw = [&](int k) { return static_cast<T>(-60 * uniform(draws, static_cast<std::uint64_t>(8 * i + k))); };
      policy_chosen.push_back(draw(0));
      policy_rejected.push_back(draw(1));
      reference_chosen.push_back(policy_chosen.back() + draw(2) / 20);
      reference_rejected.push_back(policy_rejected.back() - draw(3) / 20);
      weights.push_back(-draw(4) / 30);
      length_chosen.push_back(1 - static_cast<int>(draw(5)));
      length_rejected.push_back(1 - static_cast<int>(draw(6)));
    }
  }
  pair_batch<T> view() const {
    return {.policy_chosen = policy_chosen,
            .policy_rejected = policy_rejected,
            .reference_chosen = reference_chosen,
            .reference_rejected = reference_rejected,
            .length_chosen = length_chosen,
            .length_rejected = length_rejected};
  }
};
template <class T> struct results {
  std::vector<T> losses, gradient_chosen, gradient_rejected, rewards_chosen, rewards_rejected;
  explicit results(index n)
      : losses(static_cast<std::size_t>(n)), gradient_chosen(losses), gradient_rejected(losses), rewards_chosen(losses), rewards_rejected(losses) {}
  pair_outputs<T> view() {
    return {.losses = losses, .gradient_chosen = gradient_chosen, .gradient_rejected = gradient_rejected, .rewards_chosen = rewards_chosen, .rewards_rejected = rewards_rejected};
  }
};

}  // namespace

TEMPLATE_TEST_CASE("evaluate: losses, gradients, rewards and metrics are those of the pairs", "", float, double, long double) {
  using T = TestType;
  const index n = 7;
  const example_pairs<T> e(n);
  results<T> r(n);
  const ipo loss{.beta = 0.4};
  const pair_metrics m = evaluate(loss, e.view(), r.view());
  double sum = 0, chosen = 0, rejected = 0, wins = 0, kl = 0, falling = 0, lengths = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const pair_logps<T> y{{e.policy_chosen[i], e.reference_chosen[i], e.length_chosen[i]}, {e.policy_rejected[i], e.reference_rejected[i], e.length_rejected[i]}};
    const dual<T, 2> d = differentiate(loss, y);
    CHECK(r.losses[i] == d.value);
    CHECK(close(r.gradient_chosen[i], d.slope[0] / T(n), tolerance<T>::eps));
    CHECK(close(r.gradient_rejected[i], d.slope[1] / T(n), tolerance<T>::eps));
    CHECK(r.rewards_chosen[i] == constant<T>(0.4) * (e.policy_chosen[i] - e.reference_chosen[i]));  // sums, though the loss averages
    CHECK(r.rewards_rejected[i] == constant<T>(0.4) * (e.policy_rejected[i] - e.reference_rejected[i]));
    sum += static_cast<double>(d.value);
    chosen += static_cast<double>(r.rewards_chosen[i]);
    rejected += static_cast<double>(r.rewards_rejected[i]);
    wins += r.rewards_chosen[i] > r.rewards_rejected[i];
    kl += static_cast<double>(y.chosen.log_ratio() + y.rejected.log_ratio());
    falling += y.chosen.log_ratio() < 0;
    lengths += e.length_rejected[i];
  }
  const double tol = static_cast<double>(tolerance<T>::sum(n)) + tolerance<double>::sum(n);
  CHECK(close(m.loss, sum / n, tol));
  CHECK(close(m.rewards_chosen, chosen / n, tol, 1));
  CHECK(close(m.rewards_rejected, rejected / n, tol, 1));
  CHECK(close(m.rewards_margins, (chosen - rejected) / n, tol, 1));
  CHECK(close(m.rewards_accuracies, wins / n, tol));
  CHECK(close(m.kl, kl / (2 * n), tol, 1));
  CHECK(close(m.chosen_falling, falling / n, tol));
  CHECK(close(m.length_rejected, lengths / n, tol));
}

TEST_CASE("evaluate: equal rewards are no success") {
  const double x[] = {-1, -2}, y[] = {-1, -3};
  const pair_metrics m = evaluate(dpo{}, pairs(x, y, x, x));
  CHECK(m.rewards_accuracies == 0.5);
  CHECK(evaluate(dpo{}, pairs(x, x, x, x)).loss == std::log(2.0));
  CHECK(evaluate(dpo{}, pairs(x, x, x, x)).rewards_accuracies == 0);
}

TEST_CASE("evaluate: metrics have TRL's names and order, lengths only if given") {
  const example_pairs<double> e(3);
  std::vector<std::string_view> names;
  evaluate(dpo{}, e.view()).each([&](std::string_view name, double) { names.push_back(name); });
  CHECK(names == std::vector<std::string_view>{"loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected",
                                               "kl", "chosen_falling", "length/chosen", "length/rejected"});
  names.clear();
  evaluate(dpo{}, pairs(e.policy_chosen, e.policy_rejected, e.reference_chosen, e.reference_rejected)).each([&](std::string_view name, double) { names.push_back(name); });
  CHECK(names.size() == 9);
}

TEST_CASE("evaluate: weights and divisors") {
  const index n = 5;
  const example_pairs<double> e(n);
  results<double> plain(n), weighted(n), summed(n);
  evaluate(dpo{}, e.view(), plain.view());
  auto view = e.view();
  view.weights = e.weights;
  const double loss = evaluate(dpo{}, view, weighted.view()).loss;
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(close(weighted.losses[i], e.weights[i] * plain.losses[i], tolerance<double>::value));
    CHECK(close(weighted.gradient_chosen[i], e.weights[i] * plain.gradient_chosen[i], tolerance<double>::value));
    CHECK(close(weighted.gradient_rejected[i], e.weights[i] * plain.gradient_rejected[i], tolerance<double>::value));
    CHECK(weighted.rewards_chosen[i] == plain.rewards_chosen[i]);
    sum += e.weights[i] * plain.losses[i];
  }
  CHECK(close(loss, sum / n, tolerance<double>::sum(n)));
  view = e.view();
  view.divisor = 1;
  CHECK(close(evaluate(dpo{}, view, summed.view()).loss, n * evaluate(dpo{}, e.view()).loss, tolerance<double>::sum(n)));
  for (std::size_t i = 0; i < n; ++i) CHECK(close(summed.gradient_rejected[i], n * plain.gradient_rejected[i], tolerance<double>::value));
}

TEST_CASE("evaluate: parts with the whole's divisor add up to the whole, order does not matter") {
  const index n = 6;
  example_pairs<double> e(n);
  results<double> whole(n);
  const double loss = evaluate(hinge{}, e.view(), whole.view()).loss;
  for (index cut = 0; cut <= n; ++cut) {
    results<double> parts(n);
    double total = 0;
    for (const auto& [begin, count] : {std::pair<index, index>{0, cut}, {cut, n - cut}}) {
      const auto in = [&, b = begin, c = count](const std::vector<double>& v) { return host_range<const double>(v).part(b, c); };
      const auto out = [&, b = begin, c = count](std::vector<double>& v) { return host_range<double>(v).part(b, c); };
      total += evaluate(hinge{},
                        pair_batch<double>{.policy_chosen = in(e.policy_chosen), .policy_rejected = in(e.policy_rejected), .reference_chosen = in(e.reference_chosen),
                                           .reference_rejected = in(e.reference_rejected), .divisor = double(n)},
                        {.gradient_chosen = out(parts.gradient_chosen), .gradient_rejected = out(parts.gradient_rejected)})
                   .loss;
    }
    CHECK(parts.gradient_chosen == whole.gradient_chosen);
    CHECK(parts.gradient_rejected == whole.gradient_rejected);
    CHECK(close(total, loss, tolerance<double>::sum(n)));
  }
  for (auto* v : {&e.policy_chosen, &e.policy_rejected, &e.reference_chosen, &e.reference_rejected}) std::reverse(v->begin(), v->end());
  results<double> reversed(n);
  evaluate(hinge{}, pairs(e.policy_chosen, e.policy_rejected, e.reference_chosen, e.reference_rejected), reversed.view());
  std::reverse(reversed.gradient_chosen.begin(), reversed.gradient_chosen.end());
  CHECK(reversed.gradient_chosen == whole.gradient_chosen);
}

TEST_CASE("evaluate takes anything with data and size, and batches of one") {
  const std::array<float, 1> policy_chosen{-1};
  const float policy_rejected[1] = {-2};
  const std::vector<float> reference_chosen{-3};
  std::vector<float> gradient(1);
  const pair_metrics m = evaluate(dpo{.beta = 1}, pairs(policy_chosen, policy_rejected, reference_chosen, std::span(policy_rejected)), {.gradient_rejected = gradient});
  CHECK(close(m.loss, std::log1p(std::exp(-2.0)), tolerance<float>::value));
  CHECK(close(gradient[0], 1 / (1 + std::exp(2.0)), tolerance<float>::gradient));
  // Integers of any width.
  const unsigned char bytes[] = {3};
  const long longs[] = {4};
  CHECK(evaluate(ipo{},
                 pair_batch<float>{.policy_chosen = policy_chosen, .policy_rejected = policy_rejected, .reference_chosen = reference_chosen,
                                   .reference_rejected = policy_rejected, .length_chosen = bytes, .length_rejected = longs})
            .length_chosen == 3);
}

TEST_CASE("ranges: views that say where they begin, and whether they have gaps") {
  struct view {
    const double* all;
    std::size_t first;
    bool contiguous;
    const double* data() const { return all; }
    std::size_t data_offset() const { return first; }
    std::size_t size() const { return 2; }
    bool is_contiguous() const { return contiguous; }
  };
  const double all[] = {1, 2, 3, 4};
  const host_range<const double> r = view{all, 1, true};
  CHECK((r[0] == 2 && r[1] == 3 && r.size() == 2));
  const auto make = [&](bool contiguous) { return host_range<const double>(view{all, 0, contiguous}); };
  CHECK_NOTHROW(make(true));
  CHECK_THROWS_WITH(make(false), Contains("contiguous copy"));
}

TEST_CASE("evaluate refuses ranges that do not fit, by name") {
  const example_pairs<double> e(3);
  results<double> r(3);
  const auto refuses = [&](auto pair_batch<double>::*input, const char* name) {
    auto view = e.view();
    std::vector<int> integers(2);
    std::vector<double> reals(2);
    if constexpr (std::is_same_v<decltype(input), integer_range pair_batch<double>::*>) view.*input = integers;
    else view.*input = reals;
    CHECK_THROWS_WITH(evaluate(dpo{}, view), Contains(std::string(name) + ": ") && Contains("2") && Contains("3"));
  };
  refuses(&pair_batch<double>::policy_rejected, "policy_rejected");
  refuses(&pair_batch<double>::reference_chosen, "reference_chosen");
  refuses(&pair_batch<double>::reference_rejected, "reference_rejected");
  refuses(&pair_batch<double>::length_chosen, "length_chosen");
  refuses(&pair_batch<double>::length_rejected, "length_rejected");
  refuses(&pair_batch<double>::weights, "weights");
  auto view = e.view();
  view.reference_chosen = {};
  CHECK_THROWS_WITH(evaluate(dpo{}, view), Contains("reference_chosen: "));  // missing, not ignored
  std::vector<double> small(2);
  CHECK_THROWS_WITH(evaluate(dpo{}, e.view(), {.losses = small}), Contains("losses: "));
  CHECK_THROWS_WITH(evaluate(dpo{}, e.view(), {.gradient_chosen = small}), Contains("gradient_chosen: "));
  CHECK_THROWS_WITH(evaluate(dpo{}, e.view(), {.gradient_rejected = small}), Contains("gradient_rejected: "));
  CHECK_THROWS_WITH(evaluate(dpo{}, e.view(), {.rewards_chosen = small}), Contains("rewards_chosen: "));
  CHECK_THROWS_WITH(evaluate(dpo{}, e.view(), {.rewards_rejected = small}), Contains("rewards_rejected: "));
  // An empty range was given too: it is not the same as none.
  std::vector<double> none;
  CHECK_THROWS_WITH(evaluate(dpo{}, e.view(), {.losses = none}), Contains("losses: "));
  // Lengths that a loss needs.
  CHECK_THROWS_WITH(evaluate(ipo{}, pairs(e.policy_chosen, e.policy_rejected, e.reference_chosen, e.reference_rejected)), Contains("length"));
  CHECK_NOTHROW(evaluate(ipo{.token_average = false}, pairs(e.policy_chosen, e.policy_rejected, e.reference_chosen, e.reference_rejected)));
  CHECK_THROWS_WITH(evaluate(dpo{}, pair_batch<double>{}), Contains("empty"));
  view = e.view();
  view.divisor = -1;
  CHECK_THROWS_WITH(evaluate(dpo{}, view), Contains("divisor: -1"));
}

namespace {
/// A pair loss with a statistic: −log π(y⁺|x) over the batch's mean chosen length, so that the mean over pairs is one over tokens.
struct mean_length {
  double tokens = 0, count = 0;
  template <class T> void add(const pair_logps<T>& y) {
    tokens += static_cast<double>(y.chosen.tokens);
    ++count;
  }
  double value() const { return tokens / count; }
};
struct likelihood {
  using statistic = mean_length;
  static constexpr bool reference_free = true;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, double length) const { return -y.chosen.policy / constant<T>(length); }
  template <class T> TILT_HD T reward(const response_logps<T>& y) const { return y.policy; }
};
static_assert(pair_loss<likelihood> && has_statistic<likelihood>);

/// Pairs matched by rank over the batch: each policy difference is compared with the reference difference of its own rank.
struct rank_matching {
  struct entry {
    double value;
    std::size_t pair;
  };
  std::vector<entry> policy, reference;
  std::vector<double> matched;
  void begin() {
    policy.clear();
    reference.clear();
  }
  template <class T> void add(const pair_logps<T>& y) {
    policy.push_back({static_cast<double>(y.chosen.policy - y.rejected.policy), policy.size()});
    reference.push_back({static_cast<double>(y.chosen.reference - y.rejected.reference), reference.size()});
  }
  void finish() {
    for (auto* entries : {&policy, &reference}) std::sort(entries->begin(), entries->end(), [](const entry& a, const entry& b) { return a.value < b.value; });
    matched.resize(policy.size());
    for (std::size_t rank = 0; rank < policy.size(); ++rank) matched[policy[rank].pair] = reference[rank].value;
  }
  double value(index pair) const { return matched[static_cast<std::size_t>(pair)]; }
};
struct by_rank {
  double beta = 0.5;
  using statistic = rank_matching;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, double reference) const {
    return -log_sigmoid(constant<T>(beta) * (y.chosen.policy - y.rejected.policy - constant<T>(reference)));
  }
};
static_assert(pair_loss<by_rank> && std::is_same_v<statistic_value<by_rank>, double>);

/// Plackett–Luce: the probability of a ranking, as one choice after another.
struct ranking {
  double beta = 0.1;
  template <class List> TILT_HD typename List::number operator()(const List& y) const {
    using T = typename List::number;
    using std::exp, std::log;
    T loss = constant<T>(0);
    for (index best = 0; best + 1 < y.size(); ++best) {
      T sum = constant<T>(0);
      for (index k = best; k < y.size(); ++k) sum = sum + exp(constant<T>(beta) * (y[k].log_ratio() - y[best].log_ratio()));
      loss = loss + log(sum);
    }
    return loss;
  }
};
static_assert(list_loss<ranking> && !pair_loss<ranking>);
}  // namespace

TEST_CASE("a pair loss may have a statistic and no reference") {
  const std::vector<double> chosen{-2, -9, -5}, rejected{-1, -1, -1};
  const int length_chosen[] = {1, 4, 3}, length_rejected[] = {1, 1, 1};
  std::vector<double> gradient(3);
  const pair_metrics m = evaluate(likelihood{}, pair_batch<double>{.policy_chosen = chosen, .policy_rejected = rejected, .length_chosen = length_chosen, .length_rejected = length_rejected},
                                  {.gradient_chosen = gradient});
  CHECK(close(m.loss, 16.0 / 8, tolerance<double>::value));
  CHECK(all_close(gradient, std::vector<double>(3, -1.0 / 8), tolerance<double>::value));
  CHECK(m.rewards_chosen == -16.0 / 3);
}

TEST_CASE("a statistic may say something else of every pair, and may be kept by the caller") {
  // Policy differences 5, 1, 3; reference differences 0, 4, 2: by rank 5 meets 4, 1 meets 0, 3 meets 2.
  const double chosen[] = {0, -1, -3}, rejected[] = {-5, -2, -6}, reference_chosen[] = {-1, -1, -1}, reference_rejected[] = {-1, -5, -3};
  std::vector<double> losses(3), gradient(3);
  const auto batch = pairs(chosen, rejected, reference_chosen, reference_rejected);
  rank_matching kept;
  for (int round = 0; round < 2; ++round) {  // begin() forgets the first
    evaluate(by_rank{}, batch, {.losses = losses, .gradient_chosen = gradient}, kept);
    CHECK(kept.matched == std::vector<double>{4, 0, 2});
    CHECK(all_close(losses, std::vector<double>(3, std::log1p(std::exp(-0.5))), tolerance<double>::value));
    CHECK(all_close(gradient, std::vector<double>(3, -0.5 / (1 + std::exp(0.5)) / 3), tolerance<double>::gradient));
  }
  CHECK(evaluate(by_rank{}, batch).loss == evaluate(by_rank{}, batch, {}, kept).loss);
}

TEST_CASE("a list loss is differentiated in every response") {
  const index n = 6;
  response_logps<double> y[n];
  for (index i = 0; i < n; ++i) y[i] = {-double(3 * i % 7), -0.5 * double(i), 2};
  const ranking loss{.beta = 0.7};
  double slopes[n];
  const double value = differentiate(loss, ranked_logps<double>{y, n}, slopes);
  CHECK(value == loss(ranked_logps<double>{y, n}));
  double total = 0;
  for (index i = 0; i < n; ++i) {
    const double x = y[i].policy, h = tolerance<double>::step(x);
    y[i].policy = x + h;
    const double up = loss(ranked_logps<double>{y, n});
    y[i].policy = x - h;
    const double down = loss(ranked_logps<double>{y, n});
    y[i].policy = x;
    CHECK(close((up - down) / (2 * h), slopes[i], tolerance<double>::difference(), 1));
    total += slopes[i];
  }
  CHECK(close(total, 0, tolerance<double>::sum(n)));
  // Two responses are DPO's pair.
  const double two = differentiate(loss, ranked_logps<double>{y, 2}, slopes);
  const dual<double, 2> pair = differentiate(dpo{.beta = 0.7}, pair_logps<double>{y[0], y[1]});
  CHECK(close(two, pair.value, tolerance<double>::value));
  CHECK(close(slopes[0], pair.slope[0], tolerance<double>::gradient));
  CHECK(close(slopes[1], pair.slope[1], tolerance<double>::gradient));
}
