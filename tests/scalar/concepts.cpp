// SPDX-License-Identifier: Apache-2.0
// What is a number and what is not, and that every function compiles for the least that is one.
#include <string>
#include <tilt/scalar/gelu.hpp>
#include <tilt/scalar/log1mexp.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/relu.hpp>
#include <tilt/scalar/silu.hpp>
#include <tilt/scalar/softplus.hpp>
#include <tilt/scalar/square.hpp>

#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::four;
using test::real;

static_assert(scalar_like<float> && scalar_like<double> && scalar_like<long double>);
static_assert(scalar_like<real>);
static_assert(scalar_like<four<float>> && scalar_like<four<double>>);
static_assert(scalar_like<dual<float, 1>> && scalar_like<dual<double, 3>> && scalar_like<dual<long double, 2>>);
static_assert(scalar_like<dual<real, 2>> && scalar_like<dual<four<double>, 2>>);
static_assert(scalar_like<dual<dual<double, 1>, 2>> && scalar_like<dual<dual<four<float>, 1>, 1>>);

static_assert(packet<four<float>> && packet<four<double>>);
static_assert(!packet<float> && !packet<double> && !packet<real> && !packet<dual<double, 4>> && !packet<dual<four<double>, 1>>);

static_assert(!scalar_like<int> && !scalar_like<bool> && !scalar_like<std::string> && !scalar_like<double*>);

namespace negative {
/// A number with or without one of the functions.
template <bool has_log1p> struct nearly {
  double x = 0;
  nearly() = default;
  explicit nearly(double v) : x(v) {}
  friend nearly operator+(nearly a, nearly b) { return nearly(a.x + b.x); }
  friend nearly operator-(nearly a, nearly b) { return nearly(a.x - b.x); }
  friend nearly operator*(nearly a, nearly b) { return nearly(a.x * b.x); }
  friend nearly operator/(nearly a, nearly b) { return nearly(a.x / b.x); }
  friend nearly operator-(nearly a) { return nearly(-a.x); }
  friend auto operator<=>(nearly, nearly) = default;
  friend nearly exp(nearly a) { return a; }
  friend nearly log(nearly a) { return a; }
  friend nearly expm1(nearly a) { return a; }
  friend nearly sqrt(nearly a) { return a; }
  friend nearly tanh(nearly a) { return a; }
  friend nearly erf(nearly a) { return a; }
  friend nearly abs(nearly a) { return a; }
  friend nearly log1p(nearly a) requires has_log1p { return a; }
};
struct no_iota : four<float> {
  static void iota() {}
};
}  // namespace negative
static_assert(scalar_like<negative::nearly<true>> && !scalar_like<negative::nearly<false>>);
static_assert(!packet<negative::no_iota>);

// No silent conversions: neither into the archetypes nor out of them.
static_assert(!std::convertible_to<double, real> && !std::convertible_to<real, double> && !std::constructible_from<real, int>);
static_assert(std::convertible_to<float, four<float>> && !std::constructible_from<four<float>, double>);
static_assert(std::convertible_to<double, dual<double, 2>> && !std::convertible_to<dual<double, 2>, double>);

namespace {
template <class T> T every_function(const T& x) {
  return log_sigmoid(x) + sigmoid(x) * softplus(x) - log1mexp(-softplus(x)) / silu(x) + gelu_tanh(x) + gelu_erf(x) + relu(x) + square(x) +
         min(x, constant<T>(2)) + max(x, constant<T>(3)) + multiply_add(x, x, x) + detach(x);
}
}  // namespace

TEST_CASE("every function takes the least that is a number") {
  const double expected = every_function(0.75);
  CHECK(every_function(real(0.75)).number() == expected);
  CHECK(every_function(dual<real, 2>(real(0.75))).value.number() == Approx(expected).epsilon(1e-15));
  double lane[4];
  every_function(four<double>(0.75)).store(lane);
  for (const double x : lane) CHECK(x == expected);
  const auto d = every_function(dual<double, 1>::variable(0.75, 0));
  const auto p = every_function(dual<four<double>, 1>::variable(four<double>(0.75), 0));
  p.slope[0].store(lane);
  for (const double x : lane) CHECK(x == d.slope[0]);
}

TEST_CASE("select, min and max choose as std does, NaN and ties included") {
  const double nan = std::nan("");
  CHECK(select(true, 1.0, 2.0) == 1);
  CHECK(select(false, 1.0, 2.0) == 2);
  for (const double a : {-1.0, -0.0, 0.0, 2.0, nan})
    for (const double b : {-1.0, -0.0, 0.0, 2.0, nan}) {
      CAPTURE(a, b);
      const auto same = [](double x, double y) { return (std::isnan(x) && std::isnan(y)) || (x == y && std::signbit(x) == std::signbit(y)); };
      CHECK(same(tilt::min(a, b), std::min(a, b)));
      CHECK(same(tilt::max(a, b), std::max(a, b)));
    }
  double lane[4];
  select(four<double>::first_lanes(3), four<double>::iota(1), four<double>(-1.0)).store(lane);
  CHECK((lane[0] == 1 && lane[1] == 2 && lane[2] == 3 && lane[3] == -1));
}

TEST_CASE("constants are rounded once") {
  CHECK(constant<float>(0.1) == 0.1f);
  CHECK(constant<dual<float, 2>>(0.1).value == 0.1f);
  CHECK(constant<dual<float, 2>>(0.1).slope[1] == 0);
  float lane[4];
  constant<four<float>>(0.1).store(lane);
  CHECK((lane[0] == 0.1f && lane[3] == 0.1f));
}

TEST_CASE("multiply_add rounds once where the build has the operation") {
  const double a = 1 + 0x1p-30, exact = 0x1p-60;  // a² − (1 + 2⁻²⁹) is 2⁻⁶⁰, which a rounded product has lost
  const double got = multiply_add(a, a, -(1 + 0x1p-29));
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  CHECK(got == exact);
#else
  CHECK((got == 0 || got == exact));
#endif
  CHECK(multiply_add(2.0f, 3.0f, 4.0f) == 10);
  CHECK(multiply_add(2.0L, 3.0L, 4.0L) == 10);
}
