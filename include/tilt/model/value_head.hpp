// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/head.hpp>

namespace tilt::detail {

// The scalar head on rows h of hidden states: v = h·w, without a bias, as transformers' heads for one label are. A target has the value of
// its row, whatever its label: the state before the token that it predicts, or, where whole texts are judged, the state after the last
// one. Backward, with c = Σ_t dL/dv_t over a row's targets:  dh (+)= c·w,  dw += Σ_rows c·h.

template <class T> struct value_head_arguments {
  matrix_view<const T> hidden;  // [rows, d]
  const T* weight;              // [1, d]
  row_targets targets;
  T* row_values;  // [rows], scratch
};

/// values[t] = v of the row that target t belongs to.
template <class T> struct value_spread_program {
  row_targets targets;
  const T* row_values;
  T* values;

  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    const value_spread_program self = *this;
    team.once([=] {
      for (index t = self.targets.begin[r]; t < self.targets.begin[r + 1]; ++t) self.values[self.targets.item[t]] = self.row_values[r];
    });
  }
};

/// row_slopes[r] = Σ_t d_values[t] over the row's targets, in their order.
template <class T> struct value_gather_program {
  row_targets targets;
  const T* d_values;
  T* row_slopes;

  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    const value_gather_program self = *this;
    team.once([=] {
      T sum = constant<T>(0);
      for (index t = self.targets.begin[r]; t < self.targets.begin[r + 1]; ++t) sum = sum + self.d_values[self.targets.item[t]];
      self.row_slopes[r] = sum;
    });
  }
};

/// One value a target, in the caller's order. O(rows·d).
template <backend B> void value_head_forward(B& b, const value_head_arguments<typename B::scalar>& a, typename B::scalar* values) {
  using T = typename B::scalar;
  const index rows = a.hidden.extent[0], d = a.hidden.extent[1];
  b.gemm(a.hidden, transposed(matrix_of(a.weight, 1, d)), matrix_of(a.row_values, rows, 1), false);
  b.rows(rows, value_spread_program<T>{a.targets, a.row_values, values}, {});
}

/// d_hidden is assigned, or accumulates; d_weight accumulates.
template <backend B>
void value_head_backward(B& b, const value_head_arguments<typename B::scalar>& a, const typename B::scalar* d_values,
                         matrix_view<typename B::scalar> d_hidden, bool accumulate, typename B::scalar* d_weight) {
  using T = typename B::scalar;
  const index rows = a.hidden.extent[0], d = a.hidden.extent[1];
  b.rows(rows, value_gather_program<T>{a.targets, d_values, a.row_values}, {});
  const matrix_view<const T> slopes = matrix_of<const T>(a.row_values, rows, 1);
  b.gemm(slopes, matrix_of(a.weight, 1, d), d_hidden, accumulate);
  b.gemm(transposed(slopes), a.hidden, matrix_of(d_weight, 1, d), true);
}

}  // namespace tilt::detail
