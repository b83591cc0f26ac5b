// SPDX-License-Identifier: Apache-2.0
// What each loss converges to: every row against theory, every loss with a row, and the tools that find it.
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <tilt/theory/optima.hpp>
#include <tilt/theory/policy_optima.hpp>

#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using test::all_close;
using test::close;
using test::tolerance;

TEST_CASE("loss_optima: every loss has a row, and every row is what theory says") {
  std::set<std::string_view> missing;
  std::apply([&](const auto&... loss) { (missing.insert(loss.name), ...); },
             std::tuple_cat(pair_losses{}, labelled_losses{}, list_losses{}));
  const auto rows = loss_optima();
  int with_closed_form = 0;
  for (const loss_optimum& r : rows) {
    CAPTURE(r.loss, r.setting, r.coordinate, r.end.measured, r.end.expected, r.end.error(), r.end.bound);
    CHECK(r.end.holds());
    CHECK((r.formula.empty() || r.end.bound <= claim_bound::rounding));
    CHECK_FALSE(std::isnan(r.always_won));
    with_closed_form += r.formula.empty() ? 0 : 1;
    missing.erase(r.loss);
  }
  for (const std::string_view name : missing) FAIL_CHECK(name << " has no row");
  CHECK(with_closed_form >= 36);
}

TEST_CASE("loss_optima: a pair that is always won has no finite optimum but under losses with a target") {
  std::set<std::string> finite;
  double sppo_end = 0, sppo_hard_end = 1;
  for (const loss_optimum& r : loss_optima()) {
    if (std::isfinite(r.always_won)) finite.insert(r.loss);
    if (r.loss == "sppo") sppo_end = r.end.measured;
    if (r.loss == "sppo_hard") sppo_hard_end = r.end.measured;
    if (r.loss == "hinge") CHECK(close(r.always_won, 10, 1e-12));
    if (r.loss == "ipo" && r.setting.starts_with("sums")) CHECK(close(r.always_won, 5, 1e-12));
    if (r.loss == "exo_pair") CHECK(close(r.always_won, std::log(999.0) / 0.1, 1e-12));
    if (r.loss == "discopop") CHECK(r.end.measured < 0);  // from the reference its slope lowers the margin
    if (r.loss == "sigmoid" && r.setting.starts_with("ε")) CHECK(close(r.always_won, std::log(9.0) / 0.1, 1e-12));
  }
  CHECK(finite == std::set<std::string>{"sigmoid", "hinge", "ipo", "exo_pair", "sppo", "sppo_hard", "cal_dpo", "discopop",
                                        "hinge_reference_free", "ipo_reference_free"});
  CHECK(close(sppo_end, sppo_hard_end, 1e-12));  // a given probability and drawn labels make the same squares
}

TEST_CASE("policy_optima: every minimum is the policy that theory has, and not another") {
  for (const policy_optimum& r : policy_optima()) {
    CAPTURE(r.loss, r.setting, r.distance.measured, r.from_tilt);
    CHECK(r.distance.holds());
    if (r.formula != "π_ref·exp(r/β)/Z") CHECK(r.from_tilt > 0.01);
  }
}

TEST_CASE("loss_optima: docs/loss-optima.md says the same") {
  std::ifstream file(test::source_folder() / "docs" / "loss-optima.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| ")) rows.push_back(line);
  const auto optima = loss_optima();
  const auto policies = policy_optima();
  REQUIRE(rows.size() == 2 + optima.size() + policies.size());
  for (std::size_t i = 0; i < optima.size(); ++i) {
    const std::string start = "| " + optima[i].loss + " | " + optima[i].setting + " | " + optima[i].coordinate + " | ";
    CAPTURE(start, rows[1 + i]);
    REQUIRE(rows[1 + i].starts_with(start));
    const std::string number = rows[1 + i].substr(start.size(), rows[1 + i].find(" |", start.size()) - start.size());
    if (std::isfinite(optima[i].end.measured))
      CHECK(std::abs(std::stod(number) - optima[i].end.measured) <= 1e-6 * std::max(1.0, std::abs(optima[i].end.measured)));
    else
      CHECK(number == "∞");
  }
  for (std::size_t i = 0; i < policies.size(); ++i)
    CHECK(rows[2 + optima.size() + i].starts_with("| " + policies[i].loss + " | " + policies[i].setting + " | " + policies[i].formula +
                                                  " | "));
}

TEST_CASE("flow_limit: roots, kinks, plateaus, both ways, none, and slopes that only fade") {
  const auto limit = [](auto slope, double start = 0.0) { return flow_limit(slope, start); };
  CHECK(close(limit([](double x) { return x - 2.5; }), 2.5, 1e-15));
  CHECK(close(limit([](double x) { return x + 2.5; }), -2.5, 1e-15));
  CHECK(close(limit([](double x) { return x < 10 ? -1.0 : 0.0; }), 10, 1e-15));  // hinge's plateau: its near end
  CHECK(close(limit([](double x) { return x < -1 ? -2.0 : 1.0; }), -1, 1e-15));
  CHECK(limit([](double) { return -1.0; }) == std::numeric_limits<double>::infinity());
  CHECK(limit([](double) { return 1.0; }) == -std::numeric_limits<double>::infinity());
  CHECK(limit([](double x) { return -std::exp(-10 * x); }) == std::numeric_limits<double>::infinity());  // 0 from 75 on
  CHECK(limit([](double x) { return x - 3; }, 3.0) == 3);
  CHECK(close(limit([](double x) { return (x - 1) * (x - 2) * (x - 3); }, 1.9), 1, 1e-14));  // the one downhill, not the nearest
}

TEST_CASE("least_near: finds minima without slopes") {
  CHECK(std::abs(least_near([](double x) { return (x - 1.25) * (x - 1.25); }, 1, 0.5) - 1.25) < 1e-7);
  CHECK(std::abs(least_near([](double x) { return std::abs(x + 3); }, -3.1, 0.5) + 3) < 1e-8);
}

TEST_CASE("population: its slope is the derivative of its value, where no statistic depends on the policy") {
  const two_answers world{.wins = 7, .losses = 3, .reference = -0.4, .reward = 0.9, .better_tokens = 2, .worse_tokens = 5};
  const auto check = [&](const auto& loss) {
    CAPTURE(loss.name);
    for (const double theta : {-1.3, 0.2, 2.1}) {
      const double h = tolerance<double>::step(theta);
      const double difference = (population(loss, world, theta + h).value - population(loss, world, theta - h).value) / (2 * h);
      CHECK(close(population(loss, world, theta).slope, difference, tolerance<double>::difference(),
                  std::max(1.0, population(loss, world, theta).value)));
    }
  };
  std::apply([&](const auto&... loss) { (check(loss), ...); },
             std::tuple(dpo{}, ipo{}, exo_pair{}, nca_pair{}, bco_pair{}, sppo{}, apo_down{}, discopop{}, rdpo{}, cal_dpo{}, simpo{},
                        alphapo{}, kto{}, apo_zero_unpaired{}, plackett_luce{}, all_pairs{}, softmax_dpo{}, dpo_positive{}));
}

TEST_CASE("population: a batch statistic is the population's, and no slope goes through it") {
  // BCO: x = β(u − mean u); with equal shares the mean is (u⁺ + u⁻)/2, a constant in the slope.
  const two_answers world{.wins = 7, .losses = 3};
  const double theta = 0.8, beta = 0.1, u = std::log(2.0) - std::log1p(std::exp(-theta)), v = std::log(2.0) - std::log1p(std::exp(theta)),
               x = beta * (u - v) / 2;
  const double s = 1 / (1 + std::exp(-x)), better = 0.5 * -beta * (0.7 - s), worse = 0.5 * beta * (0.7 - s),
               share = 1 / (1 + std::exp(-theta));
  CHECK(close(population(bco{}, world, theta).slope, better * (1 - share) - worse * share, 1e-14));
}

TEST_CASE("list_risk: gradient and Hessian are central differences'") {
  const answer_set world{{std::log(0.2), std::log(0.5), std::log(0.3)}, {0.8, 0.1, -0.7}};
  const auto check = [&](const auto& loss) {
    CAPTURE(loss.name);
    const list_risk risk(loss, world, plackett_luce_rankings(world));
    std::vector<double> theta = {0.3, -0.2, 0.5};
    const second_order f = risk(theta);
    for (std::size_t i = 0; i < 3; ++i) {
      const double x = theta[i], h = tolerance<double>::step(x);
      theta[i] = x + h;
      const second_order up = risk(theta);
      theta[i] = x - h;
      const second_order down = risk(theta);
      theta[i] = x;
      CHECK(close((up.value - down.value) / (2 * h), f.gradient[i], tolerance<double>::difference(), std::max(1.0, f.value)));
      for (std::size_t j = 0; j < 3; ++j)
        CHECK(close((up.gradient[j] - down.gradient[j]) / (2 * h), f.hessian[i * 3 + j], tolerance<double>::difference(), 1));
    }
  };
  check(plackett_luce{.beta = 0.7});
  check(all_pairs{.beta = 0.7});
  check(softmax_dpo{.beta = 0.7});
  check(dpo_negatives{.beta = 0.7, .negative_weight = 0.3});
  double total = 0;
  for (const ranking& r : plackett_luce_rankings(world)) total += r.weight;
  CHECK(close(total, 1, 1e-15));
}

}  // namespace
