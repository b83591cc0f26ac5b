// SPDX-License-Identifier: Apache-2.0
#pragma once
// The gradient's norm and the optimisers under its control.
#include <conformance/composites.hpp>
#include <tilt/optim/optimizer.hpp>

namespace tilt::test {

/// Three updates of n parameters, the first `decayed` of which decay, then one whose gradient is not finite.
template <class T> struct optimizer_case {
  optimizer_options options;
  std::vector<T> weights;
  std::vector<std::vector<T>> gradients;
  index decayed;
  double max_norm;

  optimizer_case(const optimizer_options& chosen, index n, std::mt19937_64& random)
      : options(chosen), weights(random_vector<T>(n, random)), decayed(n * static_cast<index>(random() % 4) / 3),
        max_norm(random() % 2 ? 0.5 : 0) {
    for (int step = 0; step < 3; ++step) gradients.push_back(random_vector<T>(n, random));
  }
};

template <class B, class T> results run_optimizer(B& backend, const optimizer_case<T>& c) {
  using S = typename B::scalar;
  const index n = static_cast<index>(c.weights.size());
  optimizer<B> chosen(backend, c.options, n, c.decayed);
  gradient_norm<B> norm(backend, n);
  auto weights = place(backend, c.weights);
  std::vector<double> readings;
  for (const std::vector<T>& g : c.gradients) {
    auto gradients = place(backend, g);
    norm.measure(gradients.data(), c.max_norm);
    chosen.update(weights.data(), gradients.data(), norm.control(), 0.01);
    const auto reading = norm.read();
    readings.insert(readings.end(), {reading.norm, reading.coefficient, reading.finite ? 1.0 : 0.0});
  }
  const std::vector<double> before = widened(weights);
  const std::vector<S> moments = chosen.moments();
  for (const bool loss_is_finite : {true, false}) {
    std::vector<T> bad = c.gradients[0];
    if (loss_is_finite && n > 0) bad.back() = std::numeric_limits<T>::quiet_NaN();
    auto gradients = place(backend, bad);
    norm.measure(gradients.data(), c.max_norm, loss_is_finite);
    chosen.update(weights.data(), gradients.data(), norm.control(), 0.01);
    chosen.uncount();
    CHECK(norm.read().finite == (loss_is_finite && n == 0));
  }
  CHECK(widened(weights) == before);  // touched nothing
  CHECK(chosen.moments() == moments);
  return {{"weights", before}, {"moments", {moments.begin(), moments.end()}}, {"norm, coefficient, finite", readings}};
}

template <class T, class Run> void for_each_optimizer_size(std::mt19937_64& random, const optimizer_options& options, const Run& run) {
  for (const index n : {index{0}, index{1}, index{3}, index{17}, index{1000}, index{20011}}) run(optimizer_case<T>(options, n, random));
}

/// The norm is a sum of squares; what an update does with it is a few operations an element.
template <class T> long double optimizer_bound(const optimizer_case<T>& c) {
  return tolerance<T>::sum(std::max<std::size_t>(c.weights.size(), 16));
}

template <class B, class T> results run_norm_of(B& backend, const std::vector<T>& gradients, double max_norm) {
  gradient_norm<B> norm(backend, static_cast<index>(gradients.size()));
  auto own_gradients = place(backend, gradients);
  norm.measure(own_gradients.data(), max_norm);
  const auto reading = norm.read();
  return {{"norm, coefficient", {reading.norm, reading.coefficient}}, {"finite", {reading.finite ? 1.0 : 0.0}}};
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "AdamW, RMSprop and SGD equal the reference backend's, and obey the gradient's judge") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  std::mt19937_64 random(19);
  worst_element worst;
  const std::vector<tilt::optimizer_options> all = {
      tilt::adamw{},
      tilt::adamw{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1},
      tilt::rmsprop{},
      tilt::rmsprop{.alpha = 0.9, .momentum = 0.7, .weight_decay = 0.1},
      tilt::sgd{},
      tilt::sgd{.momentum = 0.9, .dampening = 0.2, .weight_decay = 0.1},
      tilt::sgd{.momentum = 0.9, .nesterov = true},
  };
  for (const tilt::optimizer_options& options : all)
    for_each_optimizer_size<T>(random, options, [&](const optimizer_case<T>& c) {
      std::ostringstream at;
      at << name_of(options) << " of " << c.weights.size() << ", " << c.decayed << " decaying" << (c.max_norm > 0 ? ", clipped" : "");
      check_composite<tested_backend>([&](auto& backend) { return run_optimizer(backend, c); }, optimizer_bound(c), at.str(), worst);
    });
  worst.report("optimisers");
}

TEST_CASE(TILT_TESTED_AS "the gradient's norm around the size of its chunks") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(20);
  worst_element worst;
  for (const index n : {index{0}, index{1}, index{2}, index{4095}, index{4096}, index{4097}, index{100003}})
    for (const double max_norm : {0.0, 1.0, 1e6}) {
      const std::vector<T> gradients = random_vector<T>(n, random);
      check_composite<tested_backend>([&](auto& backend) { return run_norm_of(backend, gradients, max_norm); },
                                      tolerance<T>::sum(static_cast<std::size_t>(n)), "n = " + std::to_string(n), worst);
    }
  tested_backend backend;
  const T large = std::numeric_limits<T>::max();
  CHECK(run_norm_of(backend, std::vector<T>(5000, large), 1.0).back().values ==
        std::vector<double>{0});  // an overflow counts as not finite
  CHECK(run_norm_of(backend, std::vector<T>(5000, -std::numeric_limits<T>::infinity()), 1.0).back().values == std::vector<double>{0});
  worst.report("gradient norm");
}
