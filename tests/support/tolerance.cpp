// SPDX-License-Identifier: Apache-2.0
// The measuring tools are measured: what they accept, what they refuse, which element they blame.
#include "support/tolerance.hpp"

#include <limits>
#include <sstream>
#include <vector>

#include "support/catch.hpp"

using namespace tilt::test;

TEST_CASE("close is relative, and absolute at zero") {
  CHECK(close(1e6, 1e6 * (1 + 1e-9), 1e-8));
  CHECK_FALSE(close(1e6, 1e6 * (1 + 1e-7), 1e-8));
  CHECK_FALSE(close(1e-12, 2e-12, 0.5));
  CHECK(close(0, 1e-9, 1e-8));
  CHECK_FALSE(close(0, 1e-7, 1e-8));
  CHECK(close(1e-12, 2e-12, 1e-8, 1));  // against a scale of 1
}

TEST_CASE("close accepts equal infinities and no NaN") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(close(infinity, infinity, 0));
  CHECK_FALSE(close(infinity, -infinity, 10));
  CHECK_FALSE(close(infinity, 1, 10));
  CHECK_FALSE(close(nan, nan, 10));
  CHECK_FALSE(close(nan, 0, 10));
  CHECK_FALSE(all_close(std::vector<double>{nan, 1}, std::vector<double>{nan, 1}, 10));
  CHECK_FALSE(all_close(std::vector<double>{1, nan}, std::vector<double>{1, 1}, 10));
}

TEST_CASE("all_close names the worst element") {
  const std::vector<double> a{1, 2, 3, 4};
  const std::vector<float> b{1, 2.5f, 3, 4.1f};
  const comparison c = all_close(a, b, 1e-3);
  CHECK_FALSE(c);
  CHECK(c.at == 1);
  CHECK(all_close(a, b, 0.3));
  CHECK_FALSE(all_close(a, std::vector<double>{1, 2, 3}, 10));
  CHECK_FALSE(all_close(std::vector<double>{}, std::vector<double>{}, 10));
  std::ostringstream text;
  text << c;
  CHECK(text.str() == "of 4 elements the worst is [1]: 2 against 2.5, error 0.222 > 0.001");
}

TEMPLATE_TEST_CASE("tolerances are a few roundings wide", "", float, double, long double) {
  using bound = tolerance<TestType>;
  CHECK(bound::value < bound::gradient);
  CHECK(bound::sum(100) == 10 * bound::sum(1));
  // A central difference of x³ meets its bound, with room: (f(x+h) − f(x−h)) / 2h = 3x² + h².
  const TestType x = TestType(1.5), h = bound::step(x);
  const TestType slope = ((x + h) * (x + h) * (x + h) - (x - h) * (x - h) * (x - h)) / (2 * h);
  CHECK(close(slope, 3 * x * x, bound::difference()));
  CHECK_FALSE(close(slope + TestType(0.2), 3 * x * x, std::min(bound::difference(), TestType(0.02))));
}
