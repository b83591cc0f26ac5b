// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <tilt/scalar/packet.hpp>
#include <tilt/tensor/few_rows_gemm.hpp>
#include <tilt/tensor/view.hpp>
#include <tilt/tensor/worker_pool.hpp>
#include <utility>

namespace tilt {

/// Matrix product on the CPU: panels of A and B are copied into the order in which a micro-kernel of `rows` × `columns` elements
/// reads them (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication").
///
/// Every element of C is the chain s = multiply_add(a_ik, b_kj, s) over k ascending, from 0 or from C: the inner dimension is cut into
/// blocks that load C again, never into partial sums. So its bits depend on its row of A and its column of B alone, not on the
/// shapes, strides, position, blocking or threads, and they equal those of plain_team::gemm. Padding only fills lanes that are dropped.
template <packet P> class packed_gemm {
 public:
  using scalar = typename P::scalar;

  // The micro-kernel holds rows × 2 sums, two packets of B and a broadcast element of A: 15 registers of 16, or 31 of the 32 that come
  // with packets of 64 bytes.
  static constexpr int rows = sizeof(P) >= 64 ? 14 : 6;
  static constexpr int columns = 2 * P::size;
  // A block of A stays in a second-level cache, a panel of B in the first-level one.
  static constexpr index depth_block = 256;
  static constexpr index row_block = rows * (sizeof(P) >= 64 ? 16 : 20);
  static constexpr index column_block = columns * (2048 / static_cast<index>(sizeof(P)));

  /// Elements of scratch memory that one thread needs.
  static constexpr index workspace = (row_block + column_block) * depth_block;

  /// c = a·b, or c += a·b, on the calling thread. c must not overlap a or b.
  static void multiply(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate, scalar* scratch) {
    if (c.stride[1] != 1 && c.stride[0] == 1)
      block(transposed(b), transposed(a), transposed(c), accumulate, scratch);
    else
      block(a, b, c, accumulate, scratch);
  }

  /// The same, cut into tiles of C. `scratch` holds `workspace` elements for each worker of the pool.
  template <worker_pool Pool>
  static void multiply(Pool& pool, matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate,
                       scalar* scratch) {
    if (c.stride[1] != 1 && c.stride[0] == 1) {
      a = std::exchange(b, transposed(a));
      a = transposed(a);
      c = transposed(c);
    }
    const index m = c.extent[0], n = c.extent[1];
    index down = 1, right = 1, tile_m = m, tile_n = n;
    if (few_rows_gemm<P>::takes(a, b)) {  // reading b is what takes time
      if (pool.size() > 1 && n * a.extent[1] >= worth_reading_together)
        tile_n = rounded_up((n + jobs_per_thread * pool.size() - 1) / (jobs_per_thread * pool.size()), P::size);
      right = n > 0 ? (n + tile_n - 1) / tile_n : 0;
    } else if (pool.size() > 1 && m * n * a.extent[1] >= worth_sharing) {
      while (down * right < jobs_per_thread * pool.size() && (tile_m >= 8 * rows || tile_n >= 4 * columns)) {
        if (tile_m * columns >= tile_n * rows * 2)
          tile_m = rounded_up((tile_m + 1) / 2, rows), down = (m + tile_m - 1) / tile_m;
        else
          tile_n = rounded_up((tile_n + 1) / 2, columns), right = (n + tile_n - 1) / tile_n;
      }
    }
    pool.run(down * right, [&](index job, int thread) {
      const index i = job / right * tile_m, j = job % right * tile_n, height = std::min(tile_m, m - i), width = std::min(tile_n, n - j);
      block(row_range(a, i, height), column_range(b, j, width), column_range(row_range(c, i, height), j, width), accumulate,
            scratch + thread * workspace);
    });
  }

 private:
  static constexpr index worth_sharing = index{1} << 19;  // multiplications; some 10 µs
  static constexpr index worth_reading_together = index{1} << 16;  // elements; some 10 µs too
  static constexpr index jobs_per_thread = 4;

  static constexpr index rounded_up(index n, index unit) { return (n + unit - 1) / unit * unit; }

  static void block(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate, scalar* scratch) {
    const index m = c.extent[0], n = c.extent[1], depth = a.extent[1];
    if (depth == 0 && !accumulate) {
      for (index i = 0; i < m; ++i)
        for (index j = 0; j < n; ++j) c(i, j) = scalar(0);
    }
    if (few_rows_gemm<P>::takes(a, b)) return few_rows_gemm<P>::multiply(a, b, c, accumulate);
    // Few rows: each panel of B is used once, so it should not leave the first cache, and is read in place where that is possible.
    const bool few = m <= rows, in_place = few && b.stride[1] == 1;
    const index wide = few ? 2 * columns : column_block;
    scalar *const packed_a = scratch, *const packed_b = scratch + row_block * depth_block;
    for (index k = 0; k < depth; k += depth_block) {
      const index kc = std::min(depth_block, depth - k);
      const bool from_c = accumulate || k > 0;
      for (index j = 0; j < n; j += wide) {
        const index nc = std::min(wide, n - j), whole = in_place ? nc / columns * columns : 0;
        if (whole < nc)
          pack<columns>(&b.data[k * b.stride[0] + (j + whole) * b.stride[1]], b.stride[1], b.stride[0], nc - whole, kc, packed_b);
        for (index i = 0; i < m; i += row_block) {
          const index mc = std::min(row_block, m - i);
          if (m > row_block || j == 0) pack<rows>(&a.data[i * a.stride[0] + k * a.stride[1]], a.stride[0], a.stride[1], mc, kc, packed_a);
          for (index jr = 0; jr < nc; jr += columns) {
            const scalar* const panel = jr < whole ? &b.data[k * b.stride[0] + j + jr] : packed_b + (jr - whole) * kc;
            const index panel_stride = jr < whole ? b.stride[0] : columns;
            for (index ir = 0; ir < mc; ir += rows)
              tile(kc, packed_a + ir * kc, panel, panel_stride,
                   column_range(row_range(c, i + ir, std::min<index>(rows, mc - ir)), j + jr, std::min<index>(columns, nc - jr)), from_c);
          }
        }
      }
    }
  }

  /// Copies `width` × `depth` elements, `across` and `along` apart, into panels of W, the depth outermost in each; zeros beyond width.
  template <int W> static void pack(const scalar* from, index across, index along, index width, index depth, scalar* to) {
    const index step = across == 1 ? 16 : depth;  // follow the memory: some rows at a time, or whole columns
    for (index k = 0; k < depth; k += step)
      for (index w = 0; w < width; w += W)
        pack_panel<W>(from + w * across + k * along, across, along, width - w, std::min(step, depth - k), to + w * depth + k * W);
  }

  template <int W> static void pack_panel(const scalar* from, index across, index along, index width, index depth, scalar* to) {
    constexpr int groups = (W + P::size - 1) / P::size;
    constexpr bool spills = W % P::size != 0;  // a packet written at the end of one k is overwritten by the next k, if there is one
    const index safe = spills ? depth - 1 : depth;
    index k = 0;
    if (across == 1 && width >= groups * P::size) {
      for (; k < safe; ++k)
        for (int g = 0; g < groups; ++g) P::load(from + k * along + g * P::size).store(to + k * W + g * P::size);
    } else if constexpr (requires(P * p) { P::transpose(p); }) {
      if (along == 1)
        for (; k + P::size <= safe; k += P::size) {
          P lines[groups][P::size];
          for (int g = 0; g < groups; ++g) {
            for (int r = 0; r < P::size; ++r) {
              const index w = g * P::size + r;
              lines[g][r] = w < W && w < width ? P::load(from + w * across + k) : P::broadcast(scalar(0));
            }
            P::transpose(lines[g]);
          }
          for (int r = 0; r < P::size; ++r)
            for (int g = 0; g < groups; ++g) lines[g][r].store(to + (k + r) * W + g * P::size);
        }
    }
    for (; k < depth; ++k)
      for (index w = 0; w < W; ++w) to[k * W + w] = w < width ? from[w * across + k * along] : scalar(0);
  }

  /// One tile of C, at most rows × columns: the smallest kernel that covers it, through a buffer where C is smaller or not contiguous.
  static void tile(index depth, const scalar* a, const scalar* b, index b_stride, matrix_view<scalar> c, bool from_c) {
    const index height = c.extent[0];
    if (height > 8 && rows > 8) return covered<rows>(depth, a, b, b_stride, c, from_c);
    if (height > 4) return covered<std::min(rows, 8)>(depth, a, b, b_stride, c, from_c);
    if (height > 2) return covered<4>(depth, a, b, b_stride, c, from_c);
    if (height > 1) return covered<2>(depth, a, b, b_stride, c, from_c);
    covered<1>(depth, a, b, b_stride, c, from_c);
  }

  template <int R> static void covered(index depth, const scalar* a, const scalar* b, index b_stride, matrix_view<scalar> c, bool from_c) {
    using every_row = std::make_integer_sequence<int, R>;
    if (c.extent[0] == R && c.extent[1] == columns && c.stride[1] == 1)
      return kernel(every_row{}, depth, a, b, b_stride, c.data, c.stride[0], from_c);
    alignas(64) scalar buffer[R * columns] = {};
    if (from_c)
      for (index i = 0; i < c.extent[0]; ++i)
        for (index j = 0; j < c.extent[1]; ++j) buffer[i * columns + j] = c(i, j);
    kernel(every_row{}, depth, a, b, b_stride, buffer, columns, from_c);
    for (index i = 0; i < c.extent[0]; ++i)
      for (index j = 0; j < c.extent[1]; ++j) c(i, j) = buffer[i * columns + j];
  }

  // The rows are a parameter pack, so that the sums are separate variables, and registers, at any level of optimisation.
  template <int... R>
  static void kernel(std::integer_sequence<int, R...>, index depth, const scalar* a, const scalar* b, index b_stride, scalar* c,
                     index c_stride, bool from_c) {
    P left[sizeof...(R)], right[sizeof...(R)];
    if (from_c)
      ((left[R] = P::load(c + R * c_stride), right[R] = P::load(c + R * c_stride + P::size)), ...);
    else
      ((left[R] = right[R] = P::broadcast(scalar(0))), ...);
    (prefetch(c, (R + rows) * c_stride), ...);  // the tile below is next
    for (index k = 0; k < depth; ++k, a += rows, b += b_stride) {
      const P b_left = P::load(b), b_right = P::load(b + P::size);
      ((step(P::broadcast(a[R]), b_left, b_right, left[R], right[R])), ...);
    }
    ((left[R].store(c + R * c_stride), right[R].store(c + R * c_stride + P::size)), ...);
  }
  // The place may lie beyond the matrix, where no pointer may point, but any address may be hinted at.
  static void prefetch([[maybe_unused]] const scalar* from, [[maybe_unused]] index offset) {
#if defined(__GNUC__)
    const auto address = [=](index i) {
      return reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(from) + static_cast<std::uintptr_t>(i) * sizeof(scalar));
    };
    __builtin_prefetch(address(offset));
    __builtin_prefetch(address(offset + columns - 1));
#endif
  }
  static void step(P a, P b_left, P b_right, P& left, P& right) {
    left = multiply_add(a, b_left, left);
    right = multiply_add(a, b_right, right);
  }
};

}  // namespace tilt
