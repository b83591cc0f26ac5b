// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/elementwise.hpp>

namespace tilt::detail {

// x_t = E[id_t] (+ P[position_t]).  Backward: dE[v] += Σ_{t: id_t = v} dx_t, tokens in order; a team owns a row of the table.

/// dE[key[g]] += Σ dx[item], items of group g in order.
template <class T> struct embedding_backward_program {
  const std::int32_t* key;
  const std::int32_t* begin;
  const std::int32_t* item;
  matrix_view<const T> dx;
  matrix_view<T> d_table;

  template <class Team> TILT_HD void operator()(const Team& team, index group) const {
    const std::int32_t* const items = item;
    const index first = begin[group], last = begin[group + 1], stride = dx.stride[0];
    const T* const from = dx.data;
    T* const row = d_table.data + key[group] * d_table.stride[0];
    team.each(d_table.extent[1], [=](const auto& lane, index i) {
      auto sum = lane.load(row, i);
      for (index t = first; t < last; ++t) sum = sum + lane.load(from + items[t] * stride, i);
      lane.store(row, i, sum);
    });
  }
};

template <backend B>
void embedding_backward(B& b, const std::int32_t* key, const std::int32_t* begin, const std::int32_t* item, index groups,
                        matrix_view<const typename B::scalar> dx, matrix_view<typename B::scalar> d_table) {
  b.rows(groups, embedding_backward_program<typename B::scalar>{key, begin, item, dx, d_table}, {});
}

/// x[t] += table[row_t].
template <class T> struct add_gathered_program {
  matrix_view<const T> table;
  const std::int32_t* rows;
  matrix_view<T> x;
  template <class Team> TILT_HD void operator()(const Team& team, index t) const {
    const T* const from = table.data + rows[t] * table.stride[0];
    T* const to = x.data + t * x.stride[0];
    team.each(x.extent[1], [=](const auto& lane, index i) { lane.store(to, i, lane.load(to, i) + lane.load(from, i)); });
  }
};

}  // namespace tilt::detail
