// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"
#include "support/catch.hpp"

namespace {

// torch.optim.SGD's definition, an element at a time.
std::vector<long double> expected(const tilt::test::problem& p, const tilt::sgd& o, tilt::index decayed, long double rate) {
  std::vector<long double> w(p.weights.begin(), p.weights.end());
  for (std::size_t i = 0; i < w.size(); ++i) {
    long double velocity = 0;
    for (std::size_t t = 0; t < p.gradients.size(); ++t) {
      const long double momentum = o.momentum;
      long double g = p.gradients[t][i];
      if (static_cast<tilt::index>(i) < decayed) g += static_cast<long double>(o.weight_decay) * w[i];
      velocity = t == 0 ? g : momentum * velocity + (1 - static_cast<long double>(o.dampening)) * g;
      w[i] -= rate * (o.momentum == 0 ? g : o.nesterov ? g + momentum * velocity : velocity);
    }
  }
  return w;
}

}  // namespace

TEST_CASE("SGD is torch's") {
  const tilt::test::problem p(37, 9);
  for (const tilt::sgd& o : {tilt::sgd{}, tilt::sgd{.weight_decay = 0.1}, tilt::sgd{.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1},
                             tilt::sgd{.momentum = 0.9, .nesterov = true}}) {
    CHECK(tilt::test::distance(tilt::test::run<tilt::reference_backend<double>>(p, o, 20, 0.02), expected(p, o, 20, 0.02L)) < 1e-14);
    CHECK(tilt::test::distance(tilt::test::run<tilt::reference_backend<float>>(p, o, 20, 0.02), expected(p, o, 20, 0.02L)) < 1e-5);
  }
  CHECK_THROWS_AS((tilt::sgd{.nesterov = true}.check()), tilt::input_error);
  CHECK_THROWS_AS((tilt::sgd{.momentum = 0.9, .dampening = 0.1, .nesterov = true}.check()), tilt::input_error);
}
