// SPDX-License-Identifier: Apache-2.0
// The rules of differentiation, one by one; several directions; packets; second derivatives.
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/log_sigmoid.hpp>

#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::close;
using test::tolerance;

TEMPLATE_TEST_CASE("arithmetic of duals", "", float, double, long double) {
  using T = TestType;
  using D = dual<T, 2>;
  const T a = T(1.7L), b = T(-0.6L), tol = tolerance<T>::gradient;
  const D x = D::variable(a, 0), y = D::variable(b, 1);
  const auto is = [tol](const D& f, T value, T dx, T dy) {
    CHECK(close(f.value, value, tol));
    CHECK(close(f.slope[0], dx, tol));
    CHECK(close(f.slope[1], dy, tol));
  };
  is(x + y, a + b, 1, 1);
  is(x - y, a - b, 1, -1);
  is(x * y, a * b, b, a);
  is(x / y, a / b, 1 / b, -a / (b * b));
  is(-x, -a, -1, 0);
  is(x + T(2), a + 2, 1, 0);
  is(T(2) * x, 2 * a, 2, 0);
  is(T(1) / x, 1 / a, -1 / (a * a), 0);
  is(multiply_add(x, y, x), a * b + a, b + 1, a);
  is(min(x, y), b, 0, 1);
  is(max(x, y), a, 1, 0);
  is(abs(y), -b, 0, -1);
  is(select(x < y, x, y), b, 0, 1);
  is(detach(x) * y, a * b, 0, a);
  D z = x;
  z += y, z *= x, z -= y, z /= x;
  is(z, ((a + b) * a - b) / a, 1 + b / (a * a), 1 - 1 / a);
  CHECK((x > y && x >= y && !(x == y) && !(x < y) && !(x <= y)));
  is(D(), 0, 0, 0);
}

TEMPLATE_TEST_CASE("functions of duals", "", float, double, long double) {
  using T = TestType;
  using D = dual<T, 1>;
  for (const T a : {T(0.01L), T(0.5L), T(1.3L), T(4)}) {
    CAPTURE(a);
    const D x = D::variable(a, 0);
    const auto is = [a](const D& f, T value, long double slope) {
      CAPTURE(a);
      CHECK(f.value == value);
      CHECK(close(f.slope[0], slope, tolerance<T>::gradient));
    };
    const long double v = a;
    is(exp(x), std::exp(a), std::exp(v));
    is(log(x), std::log(a), 1 / v);
    is(log1p(x), std::log1p(a), 1 / (1 + v));
    is(expm1(x), std::expm1(a), std::exp(v));
    is(sqrt(x), std::sqrt(a), 1 / (2 * std::sqrt(v)));
    is(erf(x), std::erf(a), 2 / std::sqrt(std::acos(-1.0L)) * std::exp(-v * v));
    // 1 − tanh² is a small difference of rounded numbers, hence the scale.
    CHECK(tanh(x).value == std::tanh(a));
    CHECK(close(tanh(x).slope[0], 1 / (std::cosh(v) * std::cosh(v)), tolerance<T>::gradient, 1));
  }
}

TEST_CASE("a dual of packets is a packet of duals") {
  using P = test::four<double>;
  using D = dual<P, 2>;
  const double a[4] = {-1, 0.5, 2, 3}, b[4] = {1, 1, -4, 3};
  const D x = D::variable(P::load(a), 0), y = D::variable(P::load(b), 1);
  const auto formula = [](const auto& u, const auto& v) { return select(u < v, exp(u) * v, max(u, v) / (u * u + v * v)) + abs(v) * min(u, v); };
  const D f = formula(x, y);
  for (int i = 0; i < 4; ++i) {
    const auto expected = formula(dual<double, 2>::variable(a[i], 0), dual<double, 2>::variable(b[i], 1));
    double lane[4];
    f.value.store(lane);
    CHECK(lane[i] == expected.value);
    for (int direction = 0; direction < 2; ++direction) {
      f.slope[direction].store(lane);
      CHECK(lane[i] == expected.slope[direction]);
    }
  }
}

TEST_CASE("duals of duals have second derivatives") {
  using inner = dual<double, 1>;
  using outer = dual<inner, 1>;
  for (const double x : {-3.0, -0.5, 0.5, 3.0}) {
    const outer f = log_sigmoid(outer::variable(inner::variable(x, 0), 0));
    const double s = 1 / (1 + std::exp(-x));
    CHECK(close(f.slope[0].value, 1 - s, tolerance<double>::gradient));
    CHECK(close(f.slope[0].slope[0], -s * (1 - s), tolerance<double>::gradient));
  }
}

TEST_CASE("duals are computed at compile time") {
  using D = dual<double, 2>;
  constexpr D f = D::variable(3, 0) * D::variable(4, 1) - D(2);
  static_assert(f.value == 10 && f.slope[0] == 4 && f.slope[1] == 3);
  SUCCEED();
}
