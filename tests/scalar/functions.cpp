// SPDX-License-Identifier: Apache-2.0
// Every function against the same formula in a hundred decimal digits, in units in the last place.
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <random>
#include <tilt/scalar/gelu.hpp>
#include <tilt/scalar/log1mexp.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/relu.hpp>
#include <tilt/scalar/silu.hpp>
#include <tilt/scalar/softplus.hpp>
#include <tilt/scalar/square.hpp>
#include <vector>

#include "support/archetypes.hpp"
#include "support/catch.hpp"

using namespace tilt;
using big = boost::multiprecision::cpp_bin_float_100;

namespace {

template <class T> constexpr T infinity = std::numeric_limits<T>::infinity();

/// The distance from T's smallest steps at `exact` (the subnormal one near 0). Values that T cannot hold must have become infinite.
template <class T> double ulps(T got, const big& exact) {
  using limits = std::numeric_limits<T>;
  if (abs(exact) > big(limits::max())) return std::isinf(got) && (got > 0) == (exact > 0) ? 0 : infinity<double>;
  if (!std::isfinite(got)) return infinity<double>;
  const T rounded = static_cast<T>(exact), size = std::abs(rounded);
  const T step = size < limits::min() ? limits::denorm_min() : std::nextafter(size, infinity<T>) - size;
  return static_cast<double>(abs(big(got) - exact) / big(step));
}

template <class T> std::vector<T> arguments(T largest) {
  using limits = std::numeric_limits<T>;
  std::vector<T> x{T(0), limits::denorm_min(), limits::min() / 8, limits::min(), limits::epsilon(), T(1e-8L), T(1e-3L), T(0.1L), T(0.69314L), T(0.7L),
                   T(1), T(2.5L), T(7), T(16), T(20), T(36), T(45), T(87), T(88.8L), T(104), T(350), T(700), T(745), T(1e4L)};
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-12, 9);
  for (int i = 0; i < 400; ++i) x.push_back(static_cast<T>(std::exp(exponent(random))));
  std::vector<T> both;
  for (const T v : x)
    if (v <= largest) both.push_back(v), both.push_back(-v);
  return both;
}

/// f(x) in T, in a packet of T, and as the value of a dual number: all three to be the same bits, and within `bound(x)` ulps of `exact`.
template <class T, class F, class Exact, class Bound>
void compare(const std::vector<T>& arguments, const F& f, const Exact& exact, const Bound& bound) {
  double worst = 0;
  for (const T x : arguments) {
    const T got = f(x);
    const double error = ulps(got, exact(big(x))), allowed = bound(static_cast<double>(x));
    worst = std::max(worst, error / allowed);
    if (error > allowed) {
      CAPTURE(x, got, error, allowed);
      CHECK(error <= allowed);
    }
    if (f(dual<T, 2>::variable(x, 1)).value != got) {
      CAPTURE(x, got);
      CHECK(f(dual<T, 2>::variable(x, 1)).value == got);
    }
    T lane[4];
    f(test::four<T>(x)).store(lane);
    if (lane[2] != got) {
      CAPTURE(x, got);
      CHECK(lane[2] == got);
    }
  }
  CHECK(arguments.size() > 100);
  CHECK(worst <= 1);
  CHECK(worst > 0.01);  // a bound that says nothing is no test
}

template <class T, class F> bool keeps_nan(const F& f) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  return std::isnan(f(nan)) && std::isnan(f(dual<T, 1>::variable(nan, 0)).value);
}

const auto flat = [](double bound) { return [bound](double) { return bound; }; };

}  // namespace

TEMPLATE_TEST_CASE("log_sigmoid", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return log_sigmoid(x); };
  compare(arguments<T>(T(1e5L)), f, [](const big& x) { return big(-log1p(exp(-x))); }, flat(2.5));
  CHECK(f(infinity<T>) == 0);
  CHECK(f(-infinity<T>) == -infinity<T>);
  CHECK(f(T(0)) == -std::log(T(2)));  // the starting value of DPO, to the last bit
  CHECK(f(T(-0.0)) == -std::log(T(2)));
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("softplus", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return softplus(x); };
  compare(arguments<T>(T(1e5L)), f, [](const big& x) { return big(log1p(exp(x))); }, flat(2.5));
  CHECK(f(infinity<T>) == infinity<T>);
  CHECK(f(-infinity<T>) == 0);
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("sigmoid", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return sigmoid(x); };
  compare(arguments<T>(T(1e5L)), f, [](const big& x) { return big(1 / (1 + exp(-x))); }, flat(3));
  CHECK(f(T(0)) == T(0.5L));
  CHECK(f(T(-0.0)) == T(0.5L));
  CHECK(f(infinity<T>) == 1);
  CHECK(f(-infinity<T>) == 0);
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("log1mexp", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return log1mexp(x); };
  std::vector<T> negative;
  for (const T x : arguments<T>(T(1e5L)))
    if (x < 0) negative.push_back(x);
  // Where 1 − eˣ ≈ ½ neither branch is bad, but each has two roundings before its logarithm.
  compare(negative, f, [](const big& x) { return x < -1 ? big(log1p(-exp(x))) : big(log(-expm1(x))); }, flat(3));
  CHECK(f(T(0)) == -infinity<T>);
  CHECK(f(T(-0.0)) == -infinity<T>);
  CHECK(f(-infinity<T>) == 0);
  CHECK(std::isnan(f(T(1))));
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("silu", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return silu(x); };
  // Where σ(x) is subnormal its few digits are multiplied by x.
  compare(arguments<T>(T(1e5L)), f, [](const big& x) { return big(x / (1 + exp(-x))); },
          [](double x) { return std::log(std::numeric_limits<T>::min()) + 1 > static_cast<T>(x) ? 2 - x : 4; });
  CHECK(f(infinity<T>) == infinity<T>);
  CHECK(f(-infinity<T>) == 0);
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("gelu_tanh", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return gelu_tanh(x); };
  // The exponential multiplies the relative error of its argument by the argument; the constants are the doubles of the formula.
  compare(arguments<T>(T(1e4L)), f,
          [](const big& x) {
            const big u = sqrt(2 / boost::math::constants::pi<big>()) * (x + big(0.044715) * x * x * x);
            return big(x / (1 + exp(-2 * u)));
          },
          [](double x) {
            const double u = 1.6 * std::abs(x + 0.0447 * x * x * x), underflow = static_cast<double>(-std::log(std::numeric_limits<T>::min()));
            return x < 0 ? 5 + 3 * std::min(u, underflow) + (u > underflow - 1 ? -x : 0) : 5 + 3 * u * std::exp(-u);
          });
  CHECK(f(infinity<T>) == infinity<T>);
  CHECK(f(-infinity<T>) == 0);
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("gelu_erf", "", float, double, long double) {
  using T = TestType;
  const auto f = [](const auto& x) { return gelu_erf(x); };
  // Its error is relative to |x|, not to the result.
  double worst = 0;
  for (const T x : arguments<T>(T(1e4L))) {
    if (std::abs(x) < std::numeric_limits<T>::min()) continue;
    const big exact = big(x) * erfc(-big(x) / sqrt(big(2))) / 2;
    worst = std::max(worst, static_cast<double>(abs(big(f(x)) - exact) / (big(std::numeric_limits<T>::epsilon()) * abs(big(x)))));
  }
  CHECK(worst < 2);
  CHECK(worst > 0.1);
  CHECK(f(infinity<T>) == infinity<T>);
  CHECK(f(-infinity<T>) == 0);
  CHECK(keeps_nan<T>(f));
}

TEMPLATE_TEST_CASE("relu and square", "", float, double, long double) {
  using T = TestType;
  for (const T x : arguments<T>(T(1e5L))) {
    CHECK(relu(x) == (x > 0 ? x : T(0)));
    CHECK(square(x) == x * x);
  }
  CHECK(relu(infinity<T>) == infinity<T>);
  CHECK(relu(-infinity<T>) == 0);
  CHECK(square(-infinity<T>) == infinity<T>);
  CHECK(keeps_nan<T>([](const auto& x) { return relu(x); }));
  CHECK(keeps_nan<T>([](const auto& x) { return square(x); }));
}
