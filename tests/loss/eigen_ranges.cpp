// SPDX-License-Identifier: Apache-2.0
// Another library's vectors as arguments and results, and its strided views refused.
#include <Eigen/Core>
#include <tilt/loss/ipo.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;

TEST_CASE("evaluate takes Eigen's vectors and contiguous pieces of them, not strided ones") {
  Eigen::VectorXd policy(4), reference(4), gradient(4);
  Eigen::VectorXi lengths(4);
  policy << -1, -2, -3, -4;
  reference << -1.5, -1, -4, -3;
  lengths << 2, 3, 1, 2;
  const ipo loss{.beta = 0.5};
  pair_batch<double> batch{.policy_chosen = policy.head(2), .policy_rejected = policy.tail(2), .reference_chosen = reference.head(2),
                           .reference_rejected = reference.tail(2), .length_chosen = lengths.head(2), .length_rejected = lengths.tail(2)};
  const pair_metrics m = evaluate(loss, batch, {.gradient_chosen = gradient.head(2), .gradient_rejected = gradient.tail(2)});
  const double first = 0.5 / 2 - 1 - 1, second = -1.0 / 3 + 0.5 - 1;
  CHECK(test::close(m.loss, (first * first + second * second) / 2, test::tolerance<double>::value));
  CHECK(test::close(gradient[0], first / 2, test::tolerance<double>::gradient));
  CHECK(test::close(gradient[3], -second / 2, test::tolerance<double>::gradient));

  Eigen::MatrixXd table(3, 2);
  CHECK_NOTHROW(batch.weights = table.col(1));
  CHECK_NOTHROW(batch.weights = table);
  CHECK_THROWS_AS(batch.weights = table.row(1), input_error);
  CHECK_THROWS_AS(batch.weights = table.topRows(2), input_error);
}
