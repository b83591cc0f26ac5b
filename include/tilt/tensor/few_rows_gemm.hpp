// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <tilt/scalar/packet.hpp>
#include <tilt/tensor/view.hpp>
#include <utility>

namespace tilt {

/// The product of a few rows with a matrix whose columns are contiguous, as when tokens are decoded one by one: c = a·b or c += a·b with
/// b.stride[0] = 1. The matrix is read once, from its own memory, and turned in registers, size × size elements at a time; what limits it
/// is the rate at which the machine reads b. Needs P::transpose.
///
/// Every element of C is the chain s = multiply_add(a_ik, b_kj, s) over k ascending, from 0 or from C: the bits of packed_gemm.
template <packet P> class few_rows_gemm {
 public:
  using scalar = typename P::scalar;

  static constexpr int most_rows = sizeof(P) >= 64 ? 14 : 8;  // a register each

  static bool takes(matrix_view<const scalar> a, matrix_view<const scalar> b) {
    if constexpr (requires(P * p) { P::transpose(p); })
      return a.extent[0] <= most_rows && a.stride[1] == 1 && b.stride[0] == 1 && b.extent[0] >= P::size;
    else
      return false;
  }

  /// On the calling thread, for what `takes` accepts.
  static void multiply(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate) {
    const index m = c.extent[0];
    if (m > 8 && most_rows > 8) return rows<most_rows>(a, b, c, accumulate);
    if (m > 4) return rows<std::min(most_rows, 8)>(a, b, c, accumulate);
    if (m > 2) return rows<4>(a, b, c, accumulate);
    if (m > 1) return rows<2>(a, b, c, accumulate);
    if (m > 0) rows<1>(a, b, c, accumulate);
  }

 private:
  static constexpr index depth_block = 192;

  /// Rows beyond m are sums of the last row that nobody reads.
  template <int R> static void rows(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate) {
    const index m = c.extent[0], n = c.extent[1];
    const scalar* a_rows[R];
    for (int r = 0; r < R; ++r) a_rows[r] = a.data + std::min<index>(r, m - 1) * a.stride[0];
    for (index j = 0; j < n; j += P::size)
      columns(std::make_integer_sequence<int, R>{}, a_rows, a.extent[1], b.data + j * b.stride[1], b.stride[1],
              column_range(c, j, std::min<index>(P::size, n - j)), accumulate);
  }

  /// One packet of columns of C. B is turned into a buffer of the first-level cache, so that the sums keep their registers.
  template <int... R>
  static void columns(std::integer_sequence<int, R...>, const scalar* const* a, index depth, const scalar* b, index across,
                      matrix_view<scalar> c, bool accumulate) {
    constexpr int count = sizeof...(R);
    const int width = static_cast<int>(c.extent[1]);
    alignas(P) scalar turned[depth_block * P::size];
    alignas(P) scalar lanes[count][P::size] = {};
    if (accumulate)
      for (int r = 0; r < count && r < c.extent[0]; ++r)
        for (int w = 0; w < width; ++w) lanes[r][w] = c(r, w);
    P sum[count] = {P::load(lanes[R])...};
    for (index k = 0; k < depth; k += depth_block) {
      const index block = std::min(depth_block, depth - k);
      turn(b + k, across, width, block, turned);
      for (index l = 0; l < block; ++l) {
        const P line = P::load(turned + l * P::size);
        ((sum[R] = multiply_add(P::broadcast(a[R][k + l]), line, sum[R])), ...);
      }
    }
    (sum[R].store(lanes[R]), ...);
    for (int r = 0; r < count && r < c.extent[0]; ++r)
      for (int w = 0; w < width; ++w) c(r, w) = lanes[r][w];
  }

  /// to[k·size + w] = from[w·across + k] for k < depth; what lies at w >= width is of no account.
  static void turn(const scalar* from, index across, int width, index depth, scalar* to) {
    index k = 0;
    for (; k + P::size <= depth; k += P::size) {
      P lines[P::size];
      for (int w = 0; w < P::size; ++w) {
        lines[w] = P::load(from + std::min(w, width - 1) * across + k);
        prefetch(from, (w + P::size) * across + k);  // the next columns, which are next in memory too
      }
      P::transpose(lines);
      for (int l = 0; l < P::size; ++l) lines[l].store(to + (k + l) * P::size);
    }
    for (; k < depth; ++k)
      for (int w = 0; w < P::size; ++w) to[k * P::size + w] = w < width ? from[w * across + k] : scalar(0);
  }

  // The place may lie beyond the matrix, where no pointer may point, but any address may be hinted at.
  static void prefetch([[maybe_unused]] const scalar* from, [[maybe_unused]] index offset) {
#if defined(__GNUC__)
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(from) + static_cast<std::uintptr_t>(offset) * sizeof(scalar)));
#endif
  }
};

}  // namespace tilt
