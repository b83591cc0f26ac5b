// SPDX-License-Identifier: Apache-2.0
#pragma once
// What acts on rows and elements in a layer: norms, rotary embedding, linear maps, the feed-forward's activation; forward and backward.
#include <conformance/composites.hpp>
#include <tilt/model/feed_forward.hpp>
#include <tilt/model/norm.hpp>
#include <tilt/model/rope.hpp>

namespace tilt::test {

/// Bounds how much a row that hardly varies is stretched, and its rounding errors with it.
inline constexpr double norm_test_epsilon = 0.01;

template <class T> struct norm_case {
  random_matrix<T> x, y, dy, dx, terms;
  std::vector<T> weight, bias, d_weight, d_bias, ones;
  bool centred, in_place, accumulate;

  norm_case(index rows, index n, bool layer, std::mt19937_64& random)
      : x(rows, n, any_rows(random), random), y(rows, n, any_rows(random), random), dy(rows, n, any_rows(random), random),
        dx(rows, n, any_rows(random), random), terms(rows, n, any_rows(random), random), weight(random_vector<T>(n, random)),
        bias(random_vector<T>(n, random)), d_weight(random_vector<T>(n, random)), d_bias(random_vector<T>(n, random)),
        ones(static_cast<std::size_t>(rows), T(1)), centred(layer), in_place(random() % 4 == 0), accumulate(random() % 2 == 0) {}
};

template <class B, class T> results run_norm(B& backend, const norm_case<T>& c) {
  using S = typename B::scalar;
  const index rows = c.x.extent[0];
  auto x = place(backend, c.x.memory), y = place(backend, c.y.memory), dy = place(backend, c.dy.memory), dx = place(backend, c.dx.memory);
  auto terms = place(backend, c.terms.memory), weight = place(backend, c.weight), bias = place(backend, c.bias),
       ones = place(backend, c.ones);
  auto d_weight = place(backend, c.d_weight), d_bias = place(backend, c.d_bias);
  auto statistics = own(backend, std::vector<S>(static_cast<std::size_t>(2 * rows), S(-1)));
  const matrix_view<S> in = c.x.template in<S>(x.data());
  const matrix_view<S> out = c.in_place ? in : c.y.template in<S>(y.data());
  const S* const shift = c.centred ? bias.data() : nullptr;
  auto untouched = place(backend, c.x.memory);  // backward needs x as it was
  detail::norm_forward(backend, in, weight.data(), shift, static_cast<S>(static_cast<T>(norm_test_epsilon)), out, statistics.data());
  detail::norm_backward(backend, c.x.template in<const S>(untouched.data()), weight.data(), statistics.data(),
                        c.dy.template in<const S>(dy.data()), c.dx.template in<S>(dx.data()), c.accumulate, d_weight.data(),
                        c.centred ? d_bias.data() : nullptr, c.terms.template in<S>(terms.data()), ones.data());
  return {{"y", widened(c.in_place ? x : y)},
          {"statistics", widened(statistics)},
          {"dx", widened(dx), 1},
          {"dw", widened(d_weight), 1},
          {"db", widened(d_bias), 1}};
}

template <class T> struct rope_case {
  random_matrix<T> x;
  std::vector<T> table;
  std::vector<std::int32_t> position;
  index head_dim;

  rope_case(index rows, index heads, index d, std::mt19937_64& random) : x(rows, heads * d, any_rows(random), random), head_dim(d) {
    model_config c;
    c.head_dim = d;
    table = detail::rope_table<T>(c, 300);
    for (index r = 0; r < rows; ++r) position.push_back(static_cast<std::int32_t>(random() % 300));
  }
};

template <class B, class T> results run_rope(B& backend, const rope_case<T>& c) {
  auto x = place(backend, c.x.memory), d_x = place(backend, c.x.memory), table = place(backend, c.table);
  auto position = own(backend, c.position);
  detail::rotate(backend, c.x.template in<typename B::scalar>(x.data()), table.data(), position.data(), c.head_dim, false);
  detail::rotate(backend, c.x.template in<typename B::scalar>(d_x.data()), table.data(), position.data(), c.head_dim, true);
  return {{"forward", widened(x)}, {"backward", widened(d_x)}};
}

template <class T> struct linear_case {
  random_matrix<T> x, y, dy, dx;
  std::vector<T> weight, bias, d_weight, d_bias, ones;
  index in, out;
  bool biased, accumulate;

  linear_case(index rows, index from, index to, std::mt19937_64& random)
      : x(rows, from, any_rows(random), random), y(rows, to, any_rows(random), random), dy(rows, to, any_rows(random), random),
        dx(rows, from, any_rows(random), random), weight(random_vector<T>(to * from, random)), bias(random_vector<T>(to, random)),
        d_weight(random_vector<T>(to * from, random)), d_bias(random_vector<T>(to, random)), ones(static_cast<std::size_t>(rows), T(1)),
        in(from), out(to), biased(random() % 2), accumulate(random() % 2) {}
};

template <class B, class T> results run_linear(B& backend, const linear_case<T>& c) {
  using S = typename B::scalar;
  auto x = place(backend, c.x.memory), y = place(backend, c.y.memory), dy = place(backend, c.dy.memory), dx = place(backend, c.dx.memory);
  auto weight = place(backend, c.weight), bias = place(backend, c.bias), d_weight = place(backend, c.d_weight),
       d_bias = place(backend, c.d_bias);
  auto ones = place(backend, c.ones);
  const detail::linear_weights<const S> w{weight.data(), c.biased ? bias.data() : nullptr, c.out, c.in};
  const detail::linear_weights<S> d_w{d_weight.data(), c.biased ? d_bias.data() : nullptr, c.out, c.in};
  detail::linear_forward(backend, c.x.template in<const S>(x.data()), w, c.y.template in<S>(y.data()));
  detail::linear_backward_input(backend, c.dy.template in<const S>(dy.data()), w, c.dx.template in<S>(dx.data()), c.accumulate);
  detail::linear_backward_weights(backend, c.x.template in<const S>(x.data()), c.dy.template in<const S>(dy.data()), d_w, ones.data());
  return {{"y", widened(y), 1}, {"dx", widened(dx), 1}, {"dW", widened(d_weight), 1}, {"db", widened(d_bias), 1}};
}

/// Gate, up, the hidden's gradient: from −8 to 8, where silu and gelu are flat, steep and bent.
template <class B, class T> results run_activation(B& backend, feed_forward_kind kind, const std::vector<std::vector<T>>& in) {
  const index n = static_cast<index>(in[0].size());
  auto gate = place(backend, in[0]), up = place(backend, in[1]), d_hidden = place(backend, in[2]);
  auto hidden = place(backend, in[0]), d_gate = place(backend, in[0]);
  detail::activate(backend, kind, gate.data(), up.data(), hidden.data(), n);
  detail::activate_backward(backend, kind, gate.data(), up.data(), d_hidden.data(), d_gate.data(), d_hidden.data(),
                            n);  // in place, as in a layer
  return {{"hidden", widened(hidden)}, {"d_gate", widened(d_gate)}, {"d_up", widened(d_hidden)}};
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "norms, forward and backward, equal the reference backend's") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(13);
  worst_element worst;
  for (const bool layer : {false, true})
    for (const index n : {index{1}, index{2}, index{3}, index{5}, index{16}, index{17}, index{33}, index{64}, index{129}, index{576}})
      for (const index rows : {index{0}, index{1}, index{3}, index{40}}) {
        const norm_case<T> c(rows, n, layer, random);
        std::ostringstream at;
        at << (layer ? "layer norm of " : "RMS norm of ") << rows << " x " << n << (c.in_place ? ", in place" : "");
        // a mean, a variance, two means over slopes, sums over rows, each relative to what the smallest variance leaves
        const long double bound = 2 * tolerance<T>::sum(static_cast<std::size_t>(std::max(n, rows)));
        check_composite<tested_backend>([&](auto& backend) { return run_norm(backend, c); }, bound, at.str(), worst);
      }
  worst.report("norms");
}

TEST_CASE(TILT_TESTED_AS "rotary embedding, forward and backward, equals the reference backend's") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(14);
  worst_element worst;
  for (const index d : {index{2}, index{6}, index{16}, index{30}, index{64}})
    for (const index rows : {index{0}, index{1}, index{37}}) {
      const rope_case<T> c(rows, 1 + static_cast<index>(random() % 4), d, random);
      std::ostringstream at;
      at << rows << " rows of " << c.x.extent[1] << ", heads of " << d;
      check_composite<tested_backend>([&](auto& backend) { return run_rope(backend, c); }, tolerance<T>::value, at.str(), worst);
    }
  worst.report("rotary embedding");
}

TEST_CASE(TILT_TESTED_AS "linear maps with and without bias, forward and backward, equal the reference backend's") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(15);
  worst_element worst;
  std::vector<std::array<index, 3>> shapes = {{0, 3, 2}, {1, 1, 1}, {1, 40, 7}, {33, 1, 5}, {65, 17, 1}};
  for (int i = 0; i < 12; ++i)
    shapes.push_back({static_cast<index>(random() % 70), 1 + static_cast<index>(random() % 90), 1 + static_cast<index>(random() % 90)});
  for (const auto& [rows, in, out] : shapes) {
    const linear_case<T> c(rows, in, out, random);
    std::ostringstream at;
    at << rows << " rows from " << c.in << " to " << c.out << (c.biased ? ", with bias" : "");
    const long double bound = tolerance<T>::sum(static_cast<std::size_t>(std::max({rows, c.in, c.out})));
    check_composite<tested_backend>([&](auto& backend) { return run_linear(backend, c); }, bound, at.str(), worst);
  }
  worst.report("linear maps");
}

TEST_CASE(TILT_TESTED_AS "the feed-forward's activation, forward and backward, equals the reference backend's") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(16);
  worst_element worst;
  for (const index n : lengths) {
    const std::vector<std::vector<T>> in = {random_vector<T>(n, random, -8, 8), random_vector<T>(n, random, -8, 8),
                                            random_vector<T>(n, random)};
    for (const tilt::feed_forward_kind kind : {tilt::feed_forward_kind::swiglu, tilt::feed_forward_kind::gelu_tanh}) {
      std::ostringstream at;
      at << (kind == tilt::feed_forward_kind::swiglu ? "SwiGLU" : "GELU") << " of " << n;
      check_composite<tested_backend>([&](auto& backend) { return run_activation(backend, kind, in); }, tolerance<T>::gradient, at.str(),
                                      worst);
    }
  }
  worst.report("activations");
}
