// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/parameters.hpp>
#include <tilt/tensor/elementwise.hpp>

namespace tilt::detail {

// y = x·Wᵀ + b, x [rows, in], W [out, in], y [rows, out].
// Backward, with g = dL/dy:  dx = g·W,  dW += gᵀ·x,  db += Σ_rows g.

template <backend B>
void linear_forward(B& b, matrix_view<const typename B::scalar> x, const linear_weights<const typename B::scalar>& w,
                    matrix_view<typename B::scalar> y) {
  b.gemm(x, transposed(matrix_of(w.weight, w.out, w.in)), y, false);
  if (w.bias != nullptr) add_to_rows(b, w.bias, y);
}

/// dx = g·W, or dx += g·W.
template <backend B>
void linear_backward_input(B& b, matrix_view<const typename B::scalar> dy, const linear_weights<const typename B::scalar>& w,
                           matrix_view<typename B::scalar> dx, bool accumulate) {
  b.gemm(dy, matrix_of(w.weight, w.out, w.in), dx, accumulate);
}

/// dW += gᵀ·x and db += Σ g, the rows in order; `ones` holds as many ones as there are rows.
template <backend B>
void linear_backward_weights(B& b, matrix_view<const typename B::scalar> x, matrix_view<const typename B::scalar> dy,
                             const linear_weights<typename B::scalar>& d_w, const typename B::scalar* ones) {
  b.gemm(transposed(dy), x, matrix_of(d_w.weight, d_w.out, d_w.in), true);
  if (d_w.bias != nullptr) add_column_sums(b, dy, ones, d_w.bias);
}

}  // namespace tilt::detail
