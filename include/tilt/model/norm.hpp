// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/config.hpp>
#include <tilt/tensor/elementwise.hpp>

namespace tilt::detail {

// RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467): x̂_i = x_i·r, r = 1/√(mean x² + ε), y_i = w_i x̂_i.
// LayerNorm (Ba et al. 2016, arXiv 1607.06450): x̂_i = (x_i − mean x)·r, r = 1/√(var x + ε), y_i = w_i x̂_i + b_i.
// Backward, with g = dL/dy and t_i = g_i x̂_i:  dw_i += Σ_rows t_i,  db_i += Σ_rows g_i,
//   dx_i = r (w_i g_i − x̂_i mean(w t) − [LayerNorm] mean(w g)).

/// `statistics` holds (mean, r) of each row, kept for the backward pass.
template <class T> struct norm_forward_program {
  matrix_view<const T> x;
  const T* weight;
  const T* bias;  // null: RMSNorm
  matrix_view<T> y;
  T* statistics;
  T epsilon;

  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    using std::sqrt;
    const index n = x.extent[1];
    const T* const xr = x.data + row * x.stride[0];
    const T* const w = weight;
    const T* const b = bias;
    T* const yr = y.data + row * y.stride[0];
    const T count = static_cast<T>(n);
    T mean = constant<T>(0);
    if (bias != nullptr) mean = team.sum(n, [=](const auto& lane, index i) { return lane.load(xr, i); }) / count;
    const T square = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(xr, i));
      const number centred = lane.load(xr, i) - number(mean);
      return centred * centred;
    });
    const T inverse = constant<T>(1) / sqrt(square / count + epsilon);
    if (bias != nullptr) {
      team.each(n, [=](const auto& lane, index i) {
        using number = decltype(lane.load(xr, i));
        lane.store(yr, i, lane.load(w, i) * ((lane.load(xr, i) - number(mean)) * number(inverse)) + lane.load(b, i));
      });
    } else {
      team.each(n, [=](const auto& lane, index i) {
        using number = decltype(lane.load(xr, i));
        lane.store(yr, i, lane.load(w, i) * (lane.load(xr, i) * number(inverse)));
      });
    }
    T* const s = statistics + 2 * row;
    team.once([=] {
      s[0] = mean;
      s[1] = inverse;
    });
  }
};

template <class T> struct norm_backward_program {
  matrix_view<const T> x;
  const T* weight;
  bool centred;  // LayerNorm
  const T* statistics;
  matrix_view<const T> dy;
  matrix_view<T> dx;     // assigned, or accumulated into
  matrix_view<T> terms;  // t of every row, for dw
  bool accumulate;

  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    const index n = x.extent[1];
    const T* const xr = x.data + row * x.stride[0];
    const T* const w = weight;
    const T* const g = dy.data + row * dy.stride[0];
    T* const d = dx.data + row * dx.stride[0];
    T* const t = terms.data + row * terms.stride[0];
    const T mean = statistics[2 * row], inverse = statistics[2 * row + 1], count = static_cast<T>(n);
    const T along = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(xr, i));
      const number term = lane.load(g, i) * ((lane.load(xr, i) - number(mean)) * number(inverse));
      lane.store(t, i, term);
      return lane.load(w, i) * term;
    }) / count;
    const T level = centred ? team.sum(n, [=](const auto& lane, index i) { return lane.load(w, i) * lane.load(g, i); }) / count : constant<T>(0);
    const bool add = accumulate;
    team.each(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(xr, i));
      const number normalised = (lane.load(xr, i) - number(mean)) * number(inverse);
      const number slope = number(inverse) * (lane.load(w, i) * lane.load(g, i) - normalised * number(along) - number(level));
      lane.store(d, i, add ? lane.load(d, i) + slope : slope);
    });
  }
};

/// y = norm(x), row by row; x may be y. `statistics`: 2 numbers a row.
template <backend B>
void norm_forward(B& b, matrix_view<const typename B::scalar> x, const typename B::scalar* weight, const typename B::scalar* bias,
                  typename B::scalar epsilon, matrix_view<typename B::scalar> y, typename B::scalar* statistics) {
  b.rows(x.extent[0], norm_forward_program<typename B::scalar>{x, weight, bias, y, statistics, epsilon}, {});
}

/// dx (assigned or accumulated), dw += , db +=. `terms` is scratch of x's shape, `ones` as many ones as there are rows.
template <backend B>
void norm_backward(B& b, matrix_view<const typename B::scalar> x, const typename B::scalar* weight, const typename B::scalar* statistics,
                   matrix_view<const typename B::scalar> dy, matrix_view<typename B::scalar> dx, bool accumulate,
                   typename B::scalar* d_weight, typename B::scalar* d_bias, matrix_view<typename B::scalar> terms,
                   const typename B::scalar* ones) {
  b.rows(x.extent[0], norm_backward_program<typename B::scalar>{x, weight, d_bias != nullptr, statistics, dy, dx, terms, accumulate}, {});
  add_column_sums(b, terms, ones, d_weight);
  if (d_bias != nullptr) add_column_sums(b, dy, ones, d_bias);
}

}  // namespace tilt::detail
