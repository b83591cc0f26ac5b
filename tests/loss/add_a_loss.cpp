// SPDX-License-Identifier: Apache-2.0
// docs/add-a-loss.md's example does what the page says. CMake cuts the header out of the page.
#include <add_a_loss_example.hpp>
#include <cmath>
#include <tilt/loss/divergence.hpp>
#include <tilt/loss/losses.hpp>
#include <vector>

#include "pair_suite.hpp"

using namespace tilt;
using test::close;
using test::tolerance;

TEST_CASE("the guide's loss") {
  const std::vector<double> policy_chosen{-1, -5}, policy_rejected{-2, -1}, reference{-3, -3};
  std::vector<double> chosen(2), rejected(2);
  const exponential loss{.beta = 0.5};
  const pair_metrics m = evaluate(loss, pairs(policy_chosen, policy_rejected, reference, reference), {.gradient_chosen = chosen, .gradient_rejected = rejected});
  CHECK(close(m.loss, (std::exp(-0.5) + std::exp(2.0)) / 2, tolerance<double>::value));
  CHECK(close(chosen[1], -0.5 * std::exp(2.0) / 2, tolerance<double>::gradient));
  CHECK(rejected[0] == -chosen[0]);
  CHECK(m.rewards_margins == 0.5 * (1 - 4) / 2);
  CHECK_THROWS_AS(exponential{.beta = 0}.check(), input_error);
  CHECK_THROWS_AS(require_option<exponential>("label_smoothing"), input_error);
}

TEST_CASE("the guide's loss goes through what every loss does") {
  const exponential loss{.beta = 0.25};
  const auto closed = [](const pair_logps<long double>& y) {
    const long double value = std::exp(-0.25L * y.margin());
    return test::value_and_slopes{value, -0.25L * value, 0.25L * value};
  };
  test::agrees_with_closed_form<double>(loss, closed);
  test::agrees_with_differences(loss, {}, test::no_kink);
  test::takes_any_number(loss);
  const with_divergence<exponential> other{{.beta = 1}, {divergence::forward_kl}};
  CHECK(close(other(pair_logps<double>{{1, 0}, {0, 0}}), std::exp(std::exp(-1.0) - 1), tolerance<double>::value));
  const loss_description row = describe(loss);
  CHECK((row.name == "exponential" && row.formula == "exp(−βΔ)" && row.reference && row.data == "pairs"));
  CHECK(row.options == std::vector<std::string_view>{"beta"});
}

TEST_CASE("losses are found by name") {
  std::string_view found;
  const auto use = [&found]<class L>(const L&) { found = L::name; };
  CHECK(with_loss<pair_losses>("ipo", use));
  CHECK(found == "ipo");
  CHECK(with_loss<labelled_losses>("kto", use));
  CHECK(found == "kto");
  CHECK_FALSE(with_loss<pair_losses>("kto", use));
  CHECK_FALSE(with_loss<pair_losses>("", use));
  CHECK(found == "kto");
}
