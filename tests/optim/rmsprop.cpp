// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"
#include "support/catch.hpp"

namespace {

// torch.optim.RMSprop's definition, an element at a time.
std::vector<long double> expected(const tilt::test::problem& p, const tilt::rmsprop& o, tilt::index decayed, long double rate) {
  std::vector<long double> w(p.weights.begin(), p.weights.end());
  for (std::size_t i = 0; i < w.size(); ++i) {
    long double v = 0, velocity = 0;
    for (const auto& gradients : p.gradients) {
      const long double alpha = o.alpha;
      long double g = gradients[i];
      if (static_cast<tilt::index>(i) < decayed) g += static_cast<long double>(o.weight_decay) * w[i];
      v = alpha * v + (1 - alpha) * g * g;
      const long double direction = g / (std::sqrt(v) + static_cast<long double>(o.epsilon));
      velocity = o.momentum > 0 ? static_cast<long double>(o.momentum) * velocity + direction : direction;
      w[i] -= rate * velocity;
    }
  }
  return w;
}

}  // namespace

TEST_CASE("RMSprop is torch's") {
  const tilt::test::problem p(37, 9);
  for (const tilt::rmsprop& o : {tilt::rmsprop{}, tilt::rmsprop{.alpha = 0.9, .epsilon = 1e-3, .momentum = 0.8, .weight_decay = 0.2}}) {
    CHECK(tilt::test::distance(tilt::test::run<tilt::reference_backend<double>>(p, o, 20, 0.02), expected(p, o, 20, 0.02L)) < 1e-14);
    CHECK(tilt::test::distance(tilt::test::run<tilt::reference_backend<float>>(p, o, 20, 0.02), expected(p, o, 20, 0.02L)) < 1e-5);
  }
  CHECK_THROWS_AS(tilt::rmsprop{.alpha = 1}.check(), tilt::input_error);
}
