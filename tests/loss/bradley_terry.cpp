// SPDX-License-Identifier: Apache-2.0
// A reward model's loss: value and slopes three ways, far out, and what cannot be given.
#include <tilt/error.hpp>
#include <tilt/loss/bradley_terry.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using namespace tilt::test;

TEST_CASE("bradley_terry: value and slopes by dual numbers, the closed form and central differences") {
  for (const bradley_terry& loss : {bradley_terry{}, bradley_terry{0.01}, bradley_terry{2}})
    for (const double margin : {0.0, 0.7, -3.0})
      for (const double chosen : {-30.0, -1.5, 0.0, 0.3, 4.0, 40.0})
        for (const double rejected : {-25.0, -0.4, 0.0, 1.5, 20.0}) {
          INFO("c " << loss.center_rewards_coefficient << ", margin " << margin << ", scores " << chosen << " and " << rejected);
          const dual<double, 2> found = differentiate(loss, chosen, rejected, margin);
          const long double c = loss.center_rewards_coefficient, x = static_cast<long double>(chosen) - rejected - margin,
                            both = static_cast<long double>(chosen) + rejected, wrong = 1 / (1 + std::exp(x));
          const long double logistic = x > 0 ? std::log1p(std::exp(-x)) : std::log1p(std::exp(x)) - x;
          // far out the loss is exp(−x), whose relative error is that of x
          CHECK(close(found.value, logistic + c * both * both, tolerance<double>::value + std::abs(x) * tolerance<double>::eps));
          CHECK(close(found.slope[0], -wrong + 2 * c * both, tolerance<double>::gradient, 1 + 2 * c * std::abs(both)));
          CHECK(close(found.slope[1], wrong + 2 * c * both, tolerance<double>::gradient, 1 + 2 * c * std::abs(both)));
          const double h = tolerance<double>::step(chosen), k = tolerance<double>::step(rejected);
          const double size = std::abs(found.value) + 1;
          CHECK(close(found.slope[0], (loss(chosen + h, rejected, margin) - loss(chosen - h, rejected, margin)) / (2 * h),
                      tolerance<double>::difference(), size));
          CHECK(close(found.slope[1], (loss(chosen, rejected + k, margin) - loss(chosen, rejected - k, margin)) / (2 * k),
                      tolerance<double>::difference(), size));
        }
}

TEST_CASE("bradley_terry: equal scores say log 2, only differences matter, and nothing overflows") {
  CHECK(bradley_terry{}(3.0, 3.0) == std::log(2.0));
  CHECK(bradley_terry{}(1.25, 0.5) == bradley_terry{}(101.25, 100.5));
  CHECK(bradley_terry{}(-1e4, 1e4) == 2e4);
  CHECK(bradley_terry{}(1e4, -1e4) == 0);
  CHECK(bradley_terry{}(1.0, 0.0, 1.0) == std::log(2.0));  // ahead by the margin, no more
}

TEST_CASE("bradley_terry: a coefficient that cannot be used is refused by name") {
  for (const double wrong : {-0.01, std::nan("")}) {
    try {
      bradley_terry{wrong}.check();
      FAIL("accepted " << wrong);
    } catch (const input_error& e) { CHECK(std::string(e.what()).find("center_rewards_coefficient: ") == 0); }
  }
}
