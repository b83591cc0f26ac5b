// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/linear.hpp>
#include <vector>

#include "row.hpp"
#include "shapes.hpp"

namespace tilt::bench {

/// One of a model's linear maps y = x·Wᵀ, W [out, in], on `rows` rows.
struct linear_map {
  std::string name;
  index rows, in, out;
};

/// Every shape that a step of the model multiplies. The vocabulary is walked in pieces: with 512 rows, 8192 words at a time.
inline std::vector<linear_map> linear_maps(const named_shape& s) {
  constexpr index tokens = 1024, rows = 512, piece = 8192;
  const model_config& c = s.config;
  std::vector<linear_map> maps{{s.name + "/query", tokens, c.hidden_size, c.query_width()}};  // the output projection is the same
  if (c.key_width() != c.query_width()) maps.push_back({s.name + "/key", tokens, c.hidden_size, c.key_width()});
  maps.push_back({s.name + "/up", tokens, c.hidden_size, c.intermediate_size});
  maps.push_back({s.name + "/down", tokens, c.intermediate_size, c.hidden_size});
  maps.push_back({s.name + "/vocabulary", rows, c.hidden_size, piece});
  return maps;
}

enum class product_kind { forward, input_gradient, weight_gradient };

template <backend B> void multiply(benchmark::State& state, int threads, const linear_map& map, product_kind kind) {
  B b(threads);
  const std::vector<float> weights = random_numbers(map.in * map.out), narrow = random_numbers(map.rows * map.in),
                           wide = random_numbers(map.rows * map.out);
  std::vector<float> result(static_cast<std::size_t>(std::max({map.in * map.out, map.rows * map.in, map.rows * map.out})));
  const detail::linear_weights<const float> w{weights.data(), nullptr, map.out, map.in};
  const auto x = matrix_of(narrow.data(), map.rows, map.in), dy = matrix_of(wide.data(), map.rows, map.out);
  repeat(state, [&] {
    if (kind == product_kind::forward) detail::linear_forward(b, x, w, matrix_of(result.data(), map.rows, map.out));
    if (kind == product_kind::input_gradient) detail::linear_backward_input(b, dy, w, matrix_of(result.data(), map.rows, map.in), false);
    if (kind == product_kind::weight_gradient)
      detail::linear_backward_weights(b, x, dy, detail::linear_weights<float>{result.data(), nullptr, map.out, map.in},
                                      static_cast<const float*>(nullptr));
  });
  const double again = kind == product_kind::weight_gradient ? static_cast<double>(map.in * map.out) : 0;  // the gradient is read too
  count_work(state, 2.0 * static_cast<double>(map.rows * map.in * map.out),
             4 * (static_cast<double>(map.in * map.out + map.rows * map.in + map.rows * map.out) + again));
}

template <backend B> void add_products() {
  std::vector<linear_map> maps{{"square", 2048, 2048, 2048}};
  for (const named_shape& s : {shape_20m(), shape_135m()})
    for (linear_map& map : linear_maps(s)) maps.push_back(std::move(map));
  for (const linear_map& map : maps) {
    const auto add = [&map](const char* name, product_kind kind) {
      add_row("gemm/" + map.name + "/" + name, B::name,
              [map, kind](benchmark::State& state, int threads) { multiply<B>(state, threads, map, kind); });
    };
    add("forward", product_kind::forward);
    if (map.name == "square") continue;
    add("input-gradient", product_kind::input_gradient);
    add("weight-gradient", product_kind::weight_gradient);
  }
}

}  // namespace tilt::bench
