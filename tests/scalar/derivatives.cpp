// SPDX-License-Identifier: Apache-2.0
// The slope of every function three ways: closed form, dual number, central difference.
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/gelu.hpp>
#include <tilt/scalar/log1mexp.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/relu.hpp>
#include <tilt/scalar/silu.hpp>
#include <tilt/scalar/softplus.hpp>
#include <tilt/scalar/square.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::close;
using test::tolerance;

namespace {

const std::vector<double> everywhere{-1e4, -700, -80, -30, -5, -1, -0.3, -1e-3, -1e-8, 1e-8, 1e-3, 0.3, 1, 5, 30, 80, 700, 1e4};
const std::vector<double> near{-30, -5, -2, -1, -0.3, -1e-3, -1e-8, 1e-8, 1e-3, 0.3, 1, 2, 5, 30};

template <class T> T slope_of(const auto& f, T x) { return f(dual<T, 1>::variable(x, 0)).slope[0]; }

/// `closed` is written for long double, so that its own rounding does not count.
template <class F, class Closed> void three_ways(const std::vector<double>& at, const F& f, const Closed& closed) {
  for (const double x : at) {
    CAPTURE(x);
    const long double exact = closed(static_cast<long double>(x));
    CHECK(close(slope_of(f, x), exact, tolerance<double>::gradient, 1));
    CHECK(close(slope_of(f, static_cast<float>(x)), closed(static_cast<long double>(static_cast<float>(x))), tolerance<float>::gradient, 1));
    CHECK(close(slope_of(f, static_cast<long double>(x)), exact, tolerance<long double>::gradient, 1));
    const double h = tolerance<double>::step(x), lower = x - h, upper = x + h;
    CHECK(close((f(upper) - f(lower)) / (upper - lower), exact, tolerance<double>::difference(), 1));
  }
}

long double normal_density(long double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0L)); }

}  // namespace

TEST_CASE("slope of log_sigmoid") {
  three_ways(everywhere, [](const auto& x) { return log_sigmoid(x); }, [](long double x) { return 1 / (1 + std::exp(x)); });
}
TEST_CASE("slope of softplus") {
  three_ways(everywhere, [](const auto& x) { return softplus(x); }, [](long double x) { return 1 / (1 + std::exp(-x)); });
}
TEST_CASE("slope of sigmoid") {
  three_ways(everywhere, [](const auto& x) { return sigmoid(x); }, [](long double x) { return 1 / ((1 + std::exp(-x)) * (1 + std::exp(x))); });
}
TEST_CASE("slope of silu") {
  three_ways(everywhere, [](const auto& x) { return silu(x); }, [](long double x) {
    const long double s = 1 / (1 + std::exp(-x));
    return s + (x > 5000 ? 0 : x * s / (1 + std::exp(x)));
  });
}
TEST_CASE("slope of gelu_tanh") {
  three_ways(near, [](const auto& x) { return gelu_tanh(x); }, [](long double x) {
    const long double c = std::sqrt(2 / std::acos(-1.0L)), a = 0.044715, t = std::tanh(c * (x + a * x * x * x));
    return (1 + t) / 2 + x * (1 - t * t) / 2 * c * (1 + 3 * a * x * x);
  });
  for (const double x : {1e3, 1e4, 1e30}) {
    CHECK(slope_of([](const auto& u) { return gelu_tanh(u); }, x) == 1);
    CHECK(slope_of([](const auto& u) { return gelu_tanh(u); }, -x) == 0);
  }
}
TEST_CASE("slope of gelu_erf") {
  three_ways(near, [](const auto& x) { return gelu_erf(x); }, [](long double x) { return std::erfc(-x / std::sqrt(2.0L)) / 2 + x * normal_density(x); });
  CHECK(slope_of([](const auto& u) { return gelu_erf(u); }, 1e4f) == 1);
  CHECK(slope_of([](const auto& u) { return gelu_erf(u); }, -1e4f) == 0);
}
TEST_CASE("slope of log1mexp") {
  const auto f = [](const auto& x) { return log1mexp(x); };
  const auto closed = [](long double x) { return -1 / std::expm1(-x); };
  three_ways({-1e4, -700, -80, -30, -5, -1, -0.7, -0.69, -0.3}, f, closed);
  // Relative, since the slope has a pole at 0.
  for (const double x : {-1e-3, -1e-8, -1e-100}) CHECK(close(slope_of(f, x), closed(x), tolerance<double>::gradient));
}
TEST_CASE("slope of square") {
  three_ways(near, [](const auto& x) { return square(x); }, [](long double x) { return 2 * x; });
}
TEST_CASE("slope of relu") {
  three_ways({-1e4, -1, -1e-3, 1e-3, 1, 1e4}, [](const auto& x) { return relu(x); }, [](long double x) { return x > 0 ? 1.0L : 0.0L; });
}

TEST_CASE("slopes at the kinks") {
  CHECK(slope_of([](const auto& x) { return relu(x); }, 0.0) == 0);
  CHECK(slope_of([](const auto& x) { return log_sigmoid(x); }, 0.0) == 0.5);
  CHECK(slope_of([](const auto& x) { return log_sigmoid(x); }, -0.0) == 0.5);
  CHECK(slope_of([](const auto& x) { return softplus(x); }, 0.0) == 0.5);
  CHECK(slope_of([](const auto& x) { return sigmoid(x); }, 0.0) == 0.25);
}
