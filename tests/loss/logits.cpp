// SPDX-License-Identifier: Apache-2.0
// Logits to log-probabilities and back, by naive formulas in long double and by central differences through a whole loss.
#include <cmath>
#include <span>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/logits.hpp>
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

constexpr index rows = 4, length = 6, vocabulary = 9;
constexpr auto at = [](index row, index t, index v) { return static_cast<std::size_t>((row * length + t) * vocabulary + v); };

/// Two chosen rows, then two rejected ones; each has its own mask, and token 0 is a token.
template <class T> struct texts {
  std::vector<T> logits;
  std::vector<std::int64_t> labels{1, 2, 3, 4, 5, 6, /**/ 8, 0, 0, 0, 7, 7, /**/ 1, 2, 8, 8, 0, -100, /**/ 3, 1, 4, 1, 5, -100};
  std::vector<int> mask{0, 0, 1, 1, 1, 1, /**/ 0, 1, 1, 1, 0, 0, /**/ 0, 0, 1, 1, 1, 1, /**/ 1, 1, 0, 0, 1, 1};
  texts() {
    const philox draws(11);
    for (std::uint64_t i = 0; i < rows * length * vocabulary; ++i) logits.push_back(static_cast<T>(3 * normal(draws, i)));
  }
  logits_batch<T> view() const {
    return {.logits = logits, .labels = labels, .mask = mask, .batch = rows, .length = length, .vocabulary = vocabulary};
  }
};

template <class T> long double naive_logp(const std::vector<T>& logits, index row, index t, index label) {
  long double sum = 0;
  for (index v = 0; v < vocabulary; ++v) sum += std::exp(static_cast<long double>(logits[at(row, t, v)]));
  return static_cast<long double>(logits[at(row, t, label)]) - std::log(sum);
}

}  // namespace

TEMPLATE_TEST_CASE("logits: labels are shifted inside, masks are each row's own", "", float, double, long double) {
  using T = TestType;
  const texts<T> x;
  std::vector<T> tokens(rows * (length - 1)), sums(rows);
  std::vector<index> counts(rows);
  token_logps(x.view(), tokens);
  sequence_logps(x.view(), sums, counts);
  CHECK(counts == std::vector<index>{4, 3, 3, 2});  // the last row's mask begins at its first token, which nothing predicts
  for (index row = 0; row < rows; ++row) {
    long double sum = 0;
    for (index t = 0; t + 1 < length; ++t) {
      const auto next = static_cast<std::size_t>(row * length + t + 1);
      const bool counts_here = x.mask[next] != 0 && x.labels[next] != -100;
      const T got = tokens[static_cast<std::size_t>(row * (length - 1) + t)];
      if (!counts_here) {
        CHECK(got == 0);
        continue;
      }
      const long double exact = naive_logp(x.logits, row, t, x.labels[next]);
      CHECK(close(got, exact, tolerance<T>::value, 1));
      sum += exact;
    }
    CHECK(close(sums[static_cast<std::size_t>(row)], sum, tolerance<T>::sum(length)));
  }
}

TEMPLATE_TEST_CASE("logits: extreme values", "", float, double, long double) {
  using T = TestType;
  const T infinity = std::numeric_limits<T>::infinity();
  const std::vector<T> logits{T(3e4L), T(-3e4L), T(3e4L), 0, 0, 0, /**/ 0, 0, 0, -infinity, T(2), -infinity};
  const int labels[] = {0, 2, 0, 1};
  std::vector<T> sums(2), d(12);
  const logits_batch<T> b{.logits = logits, .labels = labels, .batch = 2, .length = 2, .vocabulary = 3};
  sequence_logps(b, sums);
  CHECK(close(sums[0], -std::log(2.0L), tolerance<T>::value * T(3e4L)));  // of numbers as large as 3e4
  CHECK(close(sums[1], -std::log(3.0L), tolerance<T>::value));
  const T ones[] = {1, 1};
  sequence_logits_gradient(b, ones, d);
  CHECK(all_close(d, std::vector<T>{T(-0.5), 0, T(0.5), 0, 0, 0, T(-1) / 3, T(2) / 3, T(-1) / 3, 0, 0, 0}, tolerance<T>::value * T(3e4L)));
  const std::vector<T> banned{-infinity, T(2), -infinity, 0, 0, 0};
  const int next[] = {0, 1};
  std::vector<T> one(1), d_banned(6);
  const logits_batch<T> c{.logits = banned, .labels = next, .batch = 1, .length = 2, .vocabulary = 3};
  sequence_logps(c, one);
  CHECK(one[0] == 0);
  sequence_logits_gradient(c, std::vector<T>{T(5)}, d_banned);
  CHECK(d_banned == std::vector<T>(6, T(0)));
}

TEST_CASE("logits: the gradient of a loss with respect to logits is a central difference's") {
  texts<double> x;
  std::vector<double> sums(rows), d_sums(rows), d_logits(x.logits.size());
  const std::vector<double> reference{-9, -7.5, -6, -8};
  std::vector<index> counts(rows);
  const auto loss_of = [&](const auto& loss) {
    sequence_logps(x.view(), sums, counts);
    const host_range<const double> policy(sums), ref(reference);
    const host_range<double> d(d_sums);
    const std::span<const index> n(counts);
    return evaluate(loss,
                    pair_batch<double>{.policy_chosen = policy.part(0, 2), .policy_rejected = policy.part(2, 2), .reference_chosen = ref.part(0, 2),
                                       .reference_rejected = ref.part(2, 2), .length_chosen = n.first(2), .length_rejected = n.last(2)},
                    {.gradient_chosen = d.part(0, 2), .gradient_rejected = d.part(2, 2)})
        .loss;
  };
  const auto compare = [&](const auto& loss) {
    const double scale = std::max(1.0, loss_of(loss));
    sequence_logits_gradient(x.view(), d_sums, d_logits);
    double largest = 0;
    for (std::size_t i = 0; i < x.logits.size(); ++i) {
      const double z = x.logits[i], h = tolerance<double>::step(z);
      x.logits[i] = z + h;
      const double up = loss_of(loss);
      x.logits[i] = z - h;
      const double down = loss_of(loss);
      x.logits[i] = z;
      CAPTURE(i);
      CHECK(close((up - down) / (2 * h), d_logits[i], tolerance<double>::difference(), scale));
      largest = std::max(largest, std::abs(d_logits[i]));
    }
    CHECK(largest > 0.01);
  };
  compare(dpo{.beta = 0.5});
  compare(ipo{.beta = 0.5});
}

TEST_CASE("logits: rows that do not count have no gradient, in place, by token") {
  texts<double> x;
  const std::vector<double> d_sums{0.5, -1, 2, 0};
  std::vector<double> d(x.logits.size(), 7.0), by_token(x.logits.size()), d_tokens(rows * (length - 1));
  sequence_logits_gradient(x.view(), d_sums, d);
  for (index row = 0; row < rows; ++row)
    for (index t = 0; t < length; ++t) {
      const auto next = static_cast<std::size_t>(row * length + t + 1);
      const bool counts_here = row < 3 && t + 1 < length && x.mask[next] != 0 && x.labels[next] != -100;
      double sum = 0, size = 0;
      for (index v = 0; v < vocabulary; ++v) sum += d[at(row, t, v)], size += std::abs(d[at(row, t, v)]);
      CHECK(close(sum, 0, tolerance<double>::sum(vocabulary)));
      CHECK((size > 0) == counts_here);
      if (t + 1 < length) d_tokens[static_cast<std::size_t>(row * (length - 1) + t)] = d_sums[static_cast<std::size_t>(row)];
    }
  token_logits_gradient(x.view(), d_tokens, by_token);
  CHECK(by_token == d);
  sequence_logits_gradient(x.view(), d_sums, x.logits);
  CHECK(x.logits == d);
}

TEST_CASE("logits: what cannot be used is refused") {
  texts<double> x;
  std::vector<double> sums(rows);
  x.labels[3] = vocabulary;
  CHECK_THROWS_WITH(sequence_logps(x.view(), sums), Contains("labels: row 0, position 3 has 9"));
  x.labels[3] = -1;
  CHECK_THROWS_AS(sequence_logps(x.view(), sums), input_error);
  x.mask[3] = 0;
  CHECK_NOTHROW(sequence_logps(x.view(), sums));
  auto view = x.view();
  view.length = length + 1;
  CHECK_THROWS_WITH(sequence_logps(view, sums), Contains("logits: "));
  view = x.view();
  view.vocabulary = 0;
  CHECK_THROWS_AS(sequence_logps(view, sums), input_error);
  sums.pop_back();
  CHECK_THROWS_WITH(sequence_logps(x.view(), sums), Contains("logps: "));
  std::vector<double> small(3);
  CHECK_THROWS_WITH(sequence_logits_gradient(x.view(), std::vector<double>(rows), small), Contains("d_logits: "));
}
