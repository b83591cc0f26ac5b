// SPDX-License-Identifier: Apache-2.0
// The whole model's gradient: against central differences along random directions, the same whether trees are shared or not, and that of
// the heads against dual numbers.
#include <tilt/model/heads.hpp>
#include <tilt/scalar/dual.hpp>
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

std::vector<double> coefficients(std::size_t n, unsigned seed = 3) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> draw;
  std::vector<double> c(n);
  for (double& x : c) x = draw(engine);
  return c;
}

}  // namespace

/// Compares with central differences of the objective, along one direction a tensor, so that no tensor's error hides behind another's size.
template <class Objective>
void check_directions(tilt::transformer<B>& model, const std::vector<double>& gradient, const Objective& objective) {
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

double dot(const std::vector<double>& c, std::span<const double> x) {
  double sum = 0;
  for (std::size_t t = 0; t < x.size(); ++t) sum += c[t] * x[t];
  return sum;
}

TEST_CASE("the model's gradient agrees with central differences along random directions") {
  for (const tilt::architecture type : every_architecture)
    for (const tilt::model_heads heads : {tilt::language_model_heads, tilt::scalar_heads, tilt::model_heads{true, true}}) {
      B backend;
      tilt::model_config config = small_config(type);
      config.vocabulary_head = heads.vocabulary;
      config.value_head = heads.value;
      tilt::transformer<B> model(backend, config);
      randomize(model, 21);
      const tilt::packed_trees trees = example();
      const std::size_t n = trees.targets.size();
      const std::vector<double> of_logps = coefficients(n, 3), of_entropies = coefficients(n, 4), of_values = coefficients(n, 5);
      tilt::pass<B> p(model, tilt::pass_kind::training);
      const bool all = heads.vocabulary && heads.value;
      const auto objective = [&] {
        p.forward(trees);
        CHECK(p.logps().size() == (heads.vocabulary ? n : 0));
        CHECK(p.values().size() == (heads.value ? n : 0));
        return dot(of_logps, p.logps()) + (all ? dot(of_entropies, p.entropies()) : 0) + dot(of_values, p.values());
      };
      objective();
      std::vector<double> gradient(static_cast<std::size_t>(model.size()));
      tilt::target_slopes<double> slopes;
      if (heads.vocabulary) slopes.logps = of_logps;
      if (all) slopes.entropies = of_entropies;
      if (heads.value) slopes.values = of_values;
      p.backward(slopes, gradient.data());
      INFO("architecture " << static_cast<int>(type) << ", vocabulary head " << heads.vocabulary << ", value head " << heads.value);
      check_directions(model, gradient, objective);
    }
}

TEST_CASE("the heads' slopes agree with dual numbers") {
  // One row of hidden states with two targets; entry i of it, then of the embedding, then of the value's weight, is the variable.
  constexpr tilt::index width = 5, vocabulary = 7, entries = width + vocabulary * width + width;
  const std::vector<double> x = coefficients(entries, 9), c = coefficients(6, 10);
  const tilt::token labels[] = {3, 0};
  const auto outcome = [&](std::size_t variable) {
    using dual = tilt::dual<double, 1>;
    std::vector<dual> v(x.begin(), x.end());
    v[variable] = dual::variable(x[variable], 0);
    const dual *h = v.data(), *e = h + width, *w = e + vocabulary * width;
    dual value(0.0), total(0.0), moment(0.0);
    std::vector<dual> z;
    for (tilt::index k = 0; k < vocabulary; ++k) {
      dual sum(0.0);
      for (tilt::index i = 0; i < width; ++i) sum = sum + h[i] * e[k * width + i];
      z.push_back(sum);
      total = total + exp(sum);
    }
    for (tilt::index i = 0; i < width; ++i) value = value + h[i] * w[i];
    for (const dual& logit : z) moment = moment + exp(logit) / total * (logit - log(total));
    dual sum(0.0);
    for (std::size_t t = 0; t < 2; ++t)
      sum = sum + dual(c[t]) * (z[static_cast<std::size_t>(labels[t])] - log(total)) - dual(c[2 + t]) * moment + dual(c[4 + t]) * value;
    return sum.slope[0];
  };

  B backend;
  std::vector<double> weights(x.begin() + width, x.end()), hidden(x.begin(), x.begin() + width), out(8), normalizer(1), kept(vocabulary),
      values(2), row(1), slopes(entries);
  using tilt::detail::head_scratch, tilt::detail::head_tiles, tilt::detail::tile_sums;
  std::vector<double> sums(static_cast<std::size_t>(tile_sums<double>::size(1, vocabulary))), scratch(static_cast<std::size_t>(head_scratch(vocabulary)));
  const std::int32_t begin[] = {0, 2}, item[] = {0, 1}, label[] = {3, 0};
  const tilt::detail::row_targets targets{begin, item, label};
  const auto states = tilt::matrix_of<const double>(hidden.data(), 1, width);
  const tilt::detail::head_arguments<double> head{
      states, tilt::matrix_of<const double>(weights.data(), vocabulary, width), targets, normalizer.data(),
      {kept.data(), nullptr, vocabulary, vocabulary, {sums.data(), head_tiles(vocabulary)}, {scratch.data(), head_scratch(vocabulary)}}};
  const tilt::detail::value_head_arguments<double> value{states, weights.data() + vocabulary * width, targets, row.data()};
  tilt::detail::head_forward(backend, head, {out.data(), out.data() + 2, out.data() + 4, out.data() + 6});
  tilt::detail::value_head_forward(backend, value, values.data());
  const auto d_hidden = tilt::matrix_of(slopes.data(), 1, width);
  tilt::detail::head_backward(backend, head, {c.data(), c.data() + 2, out.data() + 2}, d_hidden,
                              tilt::matrix_of(slopes.data() + width, vocabulary, width));
  tilt::detail::value_head_backward(backend, value, c.data() + 4, d_hidden, true, slopes.data() + width + vocabulary * width);
  CHECK(values[0] == values[1]);
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    INFO("entry " << i);
    CHECK(close(slopes[i], outcome(i), 1e-12, 1));
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
    p.backward({.logps = c}, one.data());
    p.forward(apart);
    CHECK(std::vector<double>(p.logps().begin(), p.logps().end()) == logps);
    p.backward({.logps = c}, two.data());
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
  p.backward({.logps = c}, one.data());
  p.forward(first);
  p.backward({.logps = std::span(c).first(10)}, two.data());
  p.forward(second);
  p.backward({.logps = std::span(c).last(8)}, two.data());
  CHECK(all_close(one, two, 1e-12, largest(one)));
}

TEST_CASE("layers that backward computes again give the same bits, and only their inputs are kept") {
  for (const tilt::architecture type : every_architecture)
    for (const int layers : {1, 2, 5}) {
      B backend;
      tilt::model_config config = small_config(type);
      config.num_hidden_layers = layers;
      tilt::transformer<B> model(backend, config);
      randomize(model, 24);
      const tilt::packed_trees trees = example();
      const std::vector<double> c = coefficients(trees.targets.size());
      std::vector<double> kept(static_cast<std::size_t>(model.size())), again(kept);
      tilt::pass<B> one(model, tilt::pass_kind::training), other(model, tilt::pass_kind::training, {.gradient_checkpointing = true});
      INFO("architecture " << static_cast<int>(type) << " of " << layers << " layers");
      for (int step = 0; step < 2; ++step) {
        one.forward(trees);
        other.forward(trees);
        CHECK(std::equal(one.logps().begin(), one.logps().end(), other.logps().begin(), other.logps().end()));
        one.backward({.logps = c}, kept.data());
        other.backward({.logps = c}, again.data());
        CHECK(kept == again);
      }
    }
}

TEST_CASE("without a layer's activations, a further layer takes its input's memory alone") {
  B backend;
  tilt::model_config config = small_config(tilt::architecture::llama);
  const tilt::packed_trees trees = example();
  const auto taken = [&](int layers, bool gradient_checkpointing) {
    config.num_hidden_layers = layers;
    tilt::transformer<B> model(backend, config);
    tilt::pass<B> p(model, tilt::pass_kind::training, {.gradient_checkpointing = gradient_checkpointing});
    const tilt::pass_memory planned = p.memory(tilt::pass_limits::of(trees));
    p.forward(trees);
    CHECK(p.arena_bytes() == planned.total());
    return planned;
  };
  CHECK(taken(6, true).activations - taken(5, true).activations ==
        tilt::detail::padded_bytes(trees.tokens() * config.hidden_size, static_cast<tilt::index>(sizeof(double))));
  CHECK(taken(6, true).total() < taken(6, false).total());
  CHECK(taken(6, true).logits == taken(6, false).logits);
  CHECK(taken(6, true).scratch == taken(6, false).scratch);
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
  CHECK_THROWS_AS(p.backward({}, nullptr), tilt::error);
  config.num_key_value_heads = 3;
  CHECK_THROWS_AS((tilt::transformer<B>(backend, config)), tilt::input_error);
}
