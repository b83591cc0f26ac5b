// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"
#include "support/catch.hpp"

namespace {

// torch.optim.AdamW's definition, an element at a time.
std::vector<long double> expected(const tilt::test::problem& p, const tilt::adamw& o, tilt::index decayed, long double rate) {
  std::vector<long double> w(p.weights.begin(), p.weights.end());
  for (std::size_t i = 0; i < w.size(); ++i) {
    long double m = 0, v = 0, decay1 = 1, decay2 = 1;
    for (const auto& gradients : p.gradients) {
      const long double g = gradients[i], b1 = o.beta1, b2 = o.beta2;
      decay1 *= b1, decay2 *= b2;
      if (static_cast<tilt::index>(i) < decayed) w[i] -= rate * static_cast<long double>(o.weight_decay) * w[i];
      m = b1 * m + (1 - b1) * g;
      v = b2 * v + (1 - b2) * g * g;
      w[i] -= rate * (m / (1 - decay1)) / (std::sqrt(v / (1 - decay2)) + static_cast<long double>(o.epsilon));
    }
  }
  return w;
}

}  // namespace

TEST_CASE("AdamW is torch's") {
  const tilt::test::problem p(37, 9);
  for (const tilt::adamw& o : {tilt::adamw{}, tilt::adamw{.beta1 = 0.7, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.3}}) {
    using double_backend = tilt::reference_backend<double>;
    CHECK(tilt::test::distance(tilt::test::run<double_backend>(p, o, 20, 0.05), expected(p, o, 20, 0.05L)) < 1e-14);
    CHECK(tilt::test::distance(tilt::test::run<tilt::reference_backend<float>>(p, o, 20, 0.05), expected(p, o, 20, 0.05L)) < 1e-5);
    CHECK(tilt::test::distance(tilt::test::run<double_backend>(p, o, 0, 0.05), expected(p, o, 0, 0.05L)) < 1e-14);
    CHECK(tilt::test::distance(tilt::test::run<double_backend>(p, o, 37, 0.05), expected(p, o, 37, 0.05L)) < 1e-14);
  }
}

TEST_CASE("Weight decay takes only the parameters that decay") {
  const tilt::test::problem p(10, 3);
  const tilt::adamw plain{}, decaying{.weight_decay = 0.5};
  const auto a = tilt::test::run<tilt::reference_backend<double>>(p, plain, 4, 0.1);
  const auto b = tilt::test::run<tilt::reference_backend<double>>(p, decaying, 4, 0.1);
  for (std::size_t i = 0; i < 10; ++i) CHECK((a[i] == b[i]) == (i >= 4));
}

TEST_CASE("AdamW's options are refused by name") {
  tilt::reference_backend<double> b;
  const auto message = [&](const tilt::adamw& o) -> std::string {
    try {
      tilt::optimizer<tilt::reference_backend<double>>(b, o, 1, 1);
    } catch (const tilt::input_error& e) {
      return e.what();
    }
    return "accepted";
  };
  CHECK(message({.beta1 = 1}).rfind("adam_beta1:", 0) == 0);
  CHECK(message({.beta2 = -0.1}).rfind("adam_beta2:", 0) == 0);
  CHECK(message({.epsilon = 0}).rfind("adam_epsilon:", 0) == 0);
  CHECK(message({.weight_decay = -1}).rfind("weight_decay:", 0) == 0);
  CHECK(message({}) == "accepted");
}

TEST_CASE("An optimiser's moments go out and come back") {
  using B = tilt::reference_backend<double>;
  B b;
  const tilt::test::problem p(5, 4);
  const std::vector<double> ones{1, 1, 0};
  tilt::optimizer<B> a(b, tilt::adamw{}, 5, 5);
  auto weights = p.weights;
  for (int t = 0; t < 2; ++t) a.update(weights.data(), p.gradients[static_cast<std::size_t>(t)].data(), ones.data(), 0.1);
  tilt::optimizer<B> c(b, tilt::adamw{}, 5, 5);
  c.restore(a.moments(), a.count());
  auto copied = weights;
  for (std::size_t t = 2; t < 4; ++t) {
    a.update(weights.data(), p.gradients[t].data(), ones.data(), 0.1);
    c.update(copied.data(), p.gradients[t].data(), ones.data(), 0.1);
  }
  CHECK(weights == copied);
  CHECK(a.count() == 4);
  CHECK(c.count() == 4);
  tilt::optimizer<B> d(b, tilt::sgd{.momentum = 0.5}, 5, 5);
  CHECK_THROWS_AS(d.restore(a.moments(), 1), tilt::input_error);
}
