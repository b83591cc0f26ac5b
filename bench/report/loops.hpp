// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <numeric>
#include <tilt/model/feed_forward.hpp>
#include <tilt/model/norm.hpp>
#include <tilt/model/rope.hpp>
#include <tilt/optim/gradient_norm.hpp>
#include <tilt/optim/optimizer.hpp>
#include <tilt/tensor/elementwise.hpp>

#include "row.hpp"
#include "shapes.hpp"

namespace tilt::bench {

// Elementwise work and row programs of a step, on operands of a size that stays in a second-level cache; the optimiser, which walks memory.

/// Rows of `run(backend, arrays)` on five arrays of n numbers; flops and bytes are of one number.
template <backend B, class Run> void add_loop(const std::string& name, index n, double flops, double bytes, Run run) {
  add_row(name, B::name, [=](benchmark::State& state, int threads) {
    B b(threads);
    std::vector<std::vector<float>> arrays(5, random_numbers(n, 4));
    repeat(state, [&] { run(b, arrays); });
    count_work(state, flops * static_cast<double>(n), bytes * static_cast<double>(n), memory::l2);
  });
}

template <backend B> void add_maps() {
  constexpr index n = 1 << 16;
  using arrays = std::vector<std::vector<float>>;
  add_loop<B>("map/add", n, 1, 12, [](B& b, arrays& a) { add(b, a[0].data(), a[1].data(), a[2].data(), n); });
  for (const auto kind : {feed_forward_kind::swiglu, feed_forward_kind::gelu_tanh}) {
    const bool gated = kind == feed_forward_kind::swiglu;
    const std::string name = gated ? "map/swiglu/" : "map/gelu/";
    add_loop<B>(name + "forward", n, 0, gated ? 12 : 8,
                [kind](B& b, arrays& a) { detail::activate(b, kind, a[0].data(), a[1].data(), a[2].data(), n); });
    add_loop<B>(name + "backward", n, 0, gated ? 20 : 12, [kind](B& b, arrays& a) {
      detail::activate_backward(b, kind, a[0].data(), a[1].data(), a[2].data(), a[3].data(), a[4].data(), n);
    });
  }
}

template <backend B> void add_row_programs() {
  constexpr index rows = 256, d = 288;
  using arrays = std::vector<std::vector<float>>;
  const auto matrix = [](std::vector<float>& a) { return matrix_of(a.data(), rows, d); };
  // a[3] and a[4] lend their first numbers as weights, statistics and sums.
  add_loop<B>("rows/rms-norm/forward", rows * d, 4, 8, [=](B& b, arrays& a) {
    detail::norm_forward(b, matrix(a[0]), a[3].data(), static_cast<const float*>(nullptr), 1e-5f, matrix(a[1]), a[4].data());
  });
  add_loop<B>("rows/rms-norm/backward", rows * d, 12, 16, [=](B& b, arrays& a) {
    const matrix_view<const float> x = matrix(a[0]), dy = matrix(a[1]);
    detail::norm_backward(b, x, a[4].data() + d, a[4].data() + 2 * d, dy, matrix(a[2]), false, a[4].data(), static_cast<float*>(nullptr),
                          matrix(a[3]), a[4].data() + 4 * d);
  });
  const model_config c = shape_20m().config;
  std::vector<std::int32_t> position(rows);
  std::iota(position.begin(), position.end(), 0);
  add_loop<B>("rows/rotary-embedding", rows * d, 3, 8, [=, table = detail::rope_table<float>(c, rows)](B& b, arrays& a) {
    detail::rotate(b, matrix(a[0]), table.data(), position.data(), c.head_dim, false);
  });
}

/// The gradient's norm, then AdamW, of the 20M shape; the time is that of both.
template <backend B> void add_update() {
  add_row("adamw/20M", B::name, [](benchmark::State& state, int threads) {
    constexpr index n = 20127168;
    B b(threads);
    auto weights = b.template allocate<float>(n), gradients = b.template allocate<float>(n);
    fill(b, weights.data(), n, 0.1f);
    fill(b, gradients.data(), n, 1e-3f);
    gradient_norm<B> norm(b, n);
    optimizer<B> updates(b, adamw{}, n, n);
    repeat(state, [&] {
      norm.measure(gradients.data(), 1);
      updates.update(weights.data(), gradients.data(), norm.control(), 1e-6);
    });
    count_work(state, 16.0 * n, (4.0 + 28.0) * n);
  });
}

}  // namespace tilt::bench
