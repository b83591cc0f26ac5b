// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"
#include "support/catch.hpp"

namespace {

using B = tilt::reference_backend<double>;

std::vector<double> ramp(tilt::index n) {
  std::vector<double> g;
  for (tilt::index i = 0; i < n; ++i) g.push_back(static_cast<double>(i % 17) - 8.25);
  return g;
}

}  // namespace

TEST_CASE("The gradient's norm and torch's clip coefficient") {
  B b;
  for (const tilt::index n : {1, 7, 4096, 4097, 20000}) {
    const auto g = ramp(n);
    long double squares = 0;
    for (const double x : g) squares += static_cast<long double>(x) * x;
    const auto norm = static_cast<double>(std::sqrt(squares));
    tilt::gradient_norm<B> measured(b, n);
    measured.measure(g.data(), 1);
    CHECK(measured.read().norm == Approx(norm).epsilon(1e-14));
    CHECK(measured.read().coefficient == Approx(1 / (norm + 1e-6)).epsilon(1e-14));
    CHECK(measured.read().finite);
    measured.measure(g.data(), norm * 2);
    CHECK(measured.read().coefficient == 1);
    measured.measure(g.data(), 0);
    CHECK(measured.read().coefficient == 1);
  }
}

TEST_CASE("The update uses the clipped gradient") {
  const tilt::test::problem p(37, 1);
  auto halved = p;
  long double squares = 0;
  for (const double g : p.gradients[0]) squares += static_cast<long double>(g) * g;
  const auto norm = static_cast<double>(std::sqrt(squares));
  for (double& g : halved.gradients[0]) g *= 0.5 * norm / (norm + 1e-6);
  const auto a = tilt::test::run<B>(p, tilt::sgd{}, 0, 0.1, norm / 2), c = tilt::test::run<B>(halved, tilt::sgd{}, 0, 0.1);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(c[i]).epsilon(1e-14));
}

TEST_CASE("A loss or gradient that is not finite leaves weights and moments alone") {
  B b;
  constexpr double bad[] = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(), 0};
  for (const tilt::optimizer_options& options : {tilt::optimizer_options(tilt::adamw{.weight_decay = 0.1}),
                                                 tilt::optimizer_options(tilt::rmsprop{.momentum = 0.5, .weight_decay = 0.1}),
                                                 tilt::optimizer_options(tilt::sgd{.momentum = 0.5, .weight_decay = 0.1})})
    for (const double value : bad) {
      tilt::test::problem p(5000, 2);
      tilt::optimizer<B> o(b, options, 5000, 2000);
      tilt::gradient_norm<B> norm(b, 5000);
      norm.measure(p.gradients[0].data(), 1);
      o.update(p.weights.data(), p.gradients[0].data(), norm.control(), 0.1);
      const auto weights = p.weights;
      const auto moments = o.moments();
      if (value != 0) p.gradients[1][4999] = value;
      norm.measure(p.gradients[1].data(), 1, value != 0);  // the fourth case: the gradient is finite, the loss is not
      CHECK_FALSE(norm.read().finite);
      o.update(p.weights.data(), p.gradients[1].data(), norm.control(), 0.1);
      o.uncount();
      CHECK(p.weights == weights);
      CHECK(o.moments() == moments);
      CHECK(o.count() == 1);
    }
}
