// SPDX-License-Identifier: Apache-2.0
// xtensor's tensors and contiguous pieces of them as arguments and results; strided ones are refused, and expressions do not compile.
#include <support/catch.hpp>
#include <support/tolerance.hpp>
#include <tilt/backend/xtensor.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#if __has_include(<xtensor/views/xview.hpp>)
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xview.hpp>
#endif

using namespace tilt;

using row = xt::xtensor<double, 1>;
static_assert(std::constructible_from<host_range<const double>, const row&>);
static_assert(!std::constructible_from<host_range<const double>, decltype(row() - row())>);

TEST_CASE("evaluate takes xtensor's tensors and writes the gradient into the caller's") {
  const row policy_chosen = {-1, -2}, policy_rejected = {-3, -4}, reference_chosen = {-1.5, -1}, reference_rejected = {-4, -3};
  row gradient_chosen = xt::zeros<double>({2}), gradient_rejected = xt::zeros<double>({2});
  const dpo loss{.beta = 0.5};
  const pair_metrics m = evaluate(loss,
                                  pair_batch<double>{.policy_chosen = policy_chosen,
                                                     .policy_rejected = policy_rejected,
                                                     .reference_chosen = reference_chosen,
                                                     .reference_rejected = reference_rejected},
                                  {.gradient_chosen = gradient_chosen, .gradient_rejected = gradient_rejected});
  const row margin = 0.5 * ((policy_chosen - reference_chosen) - (policy_rejected - reference_rejected));
  const double value = xt::mean(xt::log(1 + xt::exp(-margin)))();
  const row slope = -0.5 * 0.5 / (1 + xt::exp(margin));
  CHECK(test::close(m.loss, value, test::tolerance<double>::value));
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(test::close(gradient_chosen(i), slope(i), test::tolerance<double>::gradient));
    CHECK(test::close(gradient_rejected(i), -slope(i), test::tolerance<double>::gradient));
  }
}

TEST_CASE("evaluate takes contiguous pieces of xtensor's, not strided ones") {
  const row policy = {-1, -2, -3, -4}, reference = {-1.5, -1, -4, -3};
  const xt::xarray<int> lengths = {2, 3, 1, 2};
  row gradient = xt::zeros<double>({4});
  const auto front = [](auto& x) { return xt::view(x, xt::range(0, 2)); };  // of the caller's x, by reference
  const auto back = [](auto& x) { return xt::view(x, xt::range(2, 4)); };
  pair_batch<double> batch{.policy_chosen = front(policy),
                           .policy_rejected = back(policy),
                           .reference_chosen = front(reference),
                           .reference_rejected = back(reference),
                           .length_chosen = front(lengths),
                           .length_rejected = back(lengths)};
  const pair_metrics m = evaluate(ipo{.beta = 0.5}, batch, {.gradient_chosen = front(gradient), .gradient_rejected = back(gradient)});
  const double first = 0.5 / 2 - 1 - 1, second = -1.0 / 3 + 0.5 - 1;
  CHECK(test::close(m.loss, (first * first + second * second) / 2, test::tolerance<double>::value));
  CHECK(test::close(gradient(0), first / 2, test::tolerance<double>::gradient));
  CHECK(test::close(gradient(3), -second / 2, test::tolerance<double>::gradient));

  const xt::xtensor<double, 2> table = xt::ones<double>({3, 2});
  CHECK_NOTHROW(batch.weights = table);
  CHECK_NOTHROW(batch.weights = xt::view(table, 1, xt::all()));
  CHECK_THROWS_AS(batch.weights = xt::view(table, xt::all(), 1), input_error);
  CHECK_THROWS_AS(batch.weights = xt::view(table, xt::all(), xt::range(0, 1)), input_error);
}
