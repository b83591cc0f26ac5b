// SPDX-License-Identifier: Apache-2.0
// The whole model's gradient: against central differences along random directions, and the same whether trees are shared or not.
#include <tilt/tensor/reference.hpp>

#include "exactness.hpp"
#include "support/tolerance.hpp"

using namespace tilt::test;
using B = tilt::reference_backend<double>;

namespace {

tilt::packed_trees example() {
  tilt::packed_trees trees;
  append_tree(trees, random_tokens(37, 11), {random_tokens(5, 12), random_tokens(34, 13), random_tokens(1, 14)});
  append_tree(trees, random_tokens(1, 15), {random_tokens(3, 16)});
  append_flat(trees, random_tokens(6, 17), 0);
  return trees;
}

std::vector<double> coefficients(std::size_t n) {
  std::mt19937 engine(3);
  std::normal_distribution<double> draw;
  std::vector<double> c(n);
  for (double& x : c) x = draw(engine);
  return c;
}

}  // namespace

TEST_CASE("the model's gradient agrees with central differences along random directions") {
  for (const tilt::architecture type : every_architecture) {
    B backend;
    tilt::transformer<B> model(backend, small_config(type));
    randomize(model, 21);
    const tilt::packed_trees trees = example();
    const std::vector<double> c = coefficients(trees.targets.size());
    tilt::pass<B> p(model, tilt::pass_kind::training);
    const auto objective = [&] {
      p.forward(trees);
      double sum = 0;
      for (std::size_t t = 0; t < c.size(); ++t) sum += c[t] * p.logps()[t];
      return sum;
    };
    objective();
    std::vector<double> gradient(static_cast<std::size_t>(model.size()));
    p.backward(c, gradient.data());

    // One direction a tensor, so that no tensor's error hides behind another's size.
    std::mt19937 engine(5);
    std::normal_distribution<double> draw;
    for (const tilt::parameter& parameter : model.parameters()) {
      std::vector<double> direction(static_cast<std::size_t>(parameter.count));
      double slope = 0, length = 0;
      for (std::size_t i = 0; i < direction.size(); ++i) {
        direction[i] = draw(engine);
        slope += direction[i] * gradient[static_cast<std::size_t>(parameter.offset) + i];
        length += direction[i] * direction[i];
      }
      const double h = 1e-5 / std::sqrt(length);
      double* const w = model.weights() + parameter.offset;
      const std::vector<double> start(w, w + parameter.count);
      double side[2];
      for (const int sign : {0, 1}) {
        for (std::size_t i = 0; i < start.size(); ++i) w[i] = start[i] + (sign != 0 ? h : -h) * direction[i];
        side[sign] = objective();
      }
      std::copy(start.begin(), start.end(), w);
      INFO(parameter.name);
      CHECK(close(slope, (side[1] - side[0]) / (2 * h), 1e-6, 1e-2 * std::sqrt(length)));
    }
  }
}

TEST_CASE("sharing a prompt changes neither log-probabilities nor, but for rounding, gradients") {
  for (const tilt::architecture type : every_architecture) {
    B backend;
    tilt::transformer<B> model(backend, small_config(type));
    randomize(model, 22);
    const auto prompt = random_tokens(40, 1);
    const std::vector<std::vector<tilt::token>> answers = {random_tokens(20, 2), random_tokens(3, 3), random_tokens(33, 4)};
    tilt::packed_trees shared, apart;
    append_tree(shared, prompt, answers);
    for (const auto& answer : answers) append_flat(apart, joined(prompt, answer), prompt.size());
    const std::vector<double> c = coefficients(shared.targets.size());
    std::vector<double> one(static_cast<std::size_t>(model.size())), two(one);
    tilt::pass<B> p(model, tilt::pass_kind::training);
    p.forward(shared);
    const std::vector<double> logps(p.logps().begin(), p.logps().end());
    p.backward(c, one.data());
    p.forward(apart);
    CHECK(std::vector<double>(p.logps().begin(), p.logps().end()) == logps);
    p.backward(c, two.data());
    CHECK(all_close(one, two, 1e-12, largest(one)));
  }
}

TEST_CASE("gradients accumulate over any split of a batch") {
  B backend;
  tilt::transformer<B> model(backend, small_config(tilt::architecture::qwen3));
  randomize(model, 23);
  tilt::packed_trees whole, first, second;
  append_tree(whole, random_tokens(9, 1), {random_tokens(4, 2), random_tokens(6, 3)});
  append_tree(first, random_tokens(9, 1), {random_tokens(4, 2), random_tokens(6, 3)});
  append_tree(whole, random_tokens(5, 4), {random_tokens(8, 5)});
  append_tree(second, random_tokens(5, 4), {random_tokens(8, 5)});
  const std::vector<double> c = coefficients(18);
  std::vector<double> one(static_cast<std::size_t>(model.size())), two(one);
  tilt::pass<B> p(model, tilt::pass_kind::training);
  p.forward(whole);
  p.backward(c, one.data());
  p.forward(first);
  p.backward(std::span(c).first(10), two.data());
  p.forward(second);
  p.backward(std::span(c).last(8), two.data());
  CHECK(all_close(one, two, 1e-12, largest(one)));
}

TEST_CASE("the reference backend is row-exact") {
  check_row_exactness([](int) { return std::make_unique<B>(); });
}

TEST_CASE("what does not fit the model is refused") {
  B backend;
  tilt::model_config config = small_config(tilt::architecture::llama);
  config.max_position_embeddings = 10;
  tilt::transformer<B> model(backend, config);
  tilt::pass<B> p(model, tilt::pass_kind::inference);
  tilt::packed_trees longer, outside;
  append_flat(longer, random_tokens(11, 1), 0);
  CHECK_THROWS_AS(p.forward(longer), tilt::error);
  append_flat(outside, {3, 61}, 0);
  CHECK_THROWS_AS(p.forward(outside), tilt::error);
  CHECK_THROWS_AS(p.backward(std::vector<double>{}, nullptr), tilt::error);
  config.num_key_value_heads = 3;
  CHECK_THROWS_AS((tilt::transformer<B>(backend, config)), tilt::input_error);
}
