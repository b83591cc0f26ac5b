// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <tilt/scalar/packet.hpp>
#include <tilt/tensor/few_rows_gemm.hpp>
#include <tilt/tensor/view.hpp>
#include <tilt/tensor/worker_pool.hpp>
#include <type_traits>
#include <utility>

namespace tilt {

/// Matrix product on the CPU: panels of A and B are copied into the order in which a micro-kernel of `rows` × `columns` elements
/// reads them (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication"); where a copy would be read once or twice,
/// it is not made.
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
  // A block of A stays in a second-level cache, a panel of B and one of A in the first-level one.
  static constexpr index depth_block = 192;
  static constexpr index row_block = rows * (sizeof(P) >= 64 ? 16 : 20);
  static constexpr index column_block = columns * (2048 / static_cast<index>(sizeof(P)));
  static constexpr index kept_elements = (index{1} << 20) / static_cast<index>(sizeof(scalar));  // of B
  static_assert(column_block * depth_block <= kept_elements);

  /// Elements of scratch memory that one thread needs.
  static constexpr index workspace = row_block * depth_block + kept_elements;

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
      // Tiles may as well be rows alone, and each thread copy B once, as much of it as fits: if that copies less, and if there are some for
      // each thread.
      const index depth = a.extent[1], fits = kept_elements / rounded_up(std::max<index>(n, 1), columns);
      if (m >= 3 * pool.size() * least_height && fits >= std::min(depth, 2 * depth_block) && m + pool.size() * n < right * m + down * n) {
        const index chunks = (depth + fits - 1) / fits, deep = (depth + chunks - 1) / chunks;
        for (index k = 0; k < depth; k += deep) {
          const index count = std::min(deep, depth - k);
          by_rows(pool, column_range(a, k, count), row_range(b, k, count), c, accumulate || k > 0, scratch);
        }
        return;
      }
    }
    pool.run(down * right, [&](index job, int thread) {
      const index i = job / right * tile_m, j = job % right * tile_n, height = std::min(tile_m, m - i), width = std::min(tile_n, n - j);
      block(row_range(a, i, height), column_range(b, j, width), column_range(row_range(c, i, height), j, width), accumulate,
            scratch + thread * workspace);
    });
  }

 private:
  static constexpr index worth_sharing = index{1} << 19;           // multiplications; some 10 µs
  static constexpr index worth_reading_together = index{1} << 16;  // elements; some 10 µs too
  static constexpr index jobs_per_thread = 4;
  static constexpr index least_height = 4 * rows;  // of a tile that is whole rows

  static constexpr index rounded_up(index n, index unit) { return (n + unit - 1) / unit * unit; }

  /// Blocks of the inner dimension, about equal.
  static index block_depth(index depth) {
    const index blocks = std::max<index>(1, (depth + depth_block - 1) / depth_block);
    return std::max<index>(1, (depth + blocks - 1) / blocks);
  }

  /// How by_panels finds B: to be packed block by block, to be packed whole and kept, or kept by the call before.
  enum class packing { by_blocks, whole, kept };

  /// Tiles of C that are whole rows, so that B is packed once by each thread that takes one, and A once in all. B: at most kept_elements.
  template <worker_pool Pool>
  static void by_rows(Pool& pool, matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate,
                      scalar* scratch) {
    const index m = c.extent[0], n = c.extent[1], wanted = jobs_per_thread * pool.size();
    const index pieces = (m + wanted * row_block - 1) / (wanted * row_block) * wanted;
    const index height = std::max(rounded_up((m + pieces - 1) / pieces, rows), least_height);
    std::atomic<index> next{0};  // not the pool's own jobs, as a thread has to know that it has B already
    pool.run(pool.size(), [&](index, int thread) {
      packing how = packing::whole;
      for (index i; (i = next.fetch_add(height, std::memory_order_relaxed)) < m; how = packing::kept) {
        const index count = std::min(height, m - i);
        const auto part = row_range(c, i, count);
        if (n <= P::size)
          by_panels<1>(row_range(a, i, count), b, part, accumulate, scratch + thread * workspace, how);
        else
          by_panels<2>(row_range(a, i, count), b, part, accumulate, scratch + thread * workspace, how);
      }
    });
  }

  /// A panel of A or B: element (r, k), of `rows` or a kernel's columns, lies at data[r·across + k·along].
  struct panel {
    const scalar* data;
    index across, along;
  };

  /// Whole panels of A that no more than two panels of B meet are read where they lie, if their lines in memory do not fall on each other in
  /// a first-level cache (rows a multiple of half a page apart), or are few.
  static bool in_place(matrix_view<const scalar> a, index panels_of_b) {
    if (panels_of_b > 2) return false;
    if (a.stride[1] == 1) return a.stride[0] * static_cast<index>(sizeof(scalar)) % 2048 != 0;
    return a.stride[0] == 1 && a.extent[1] <= 64;
  }

  static void block(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate, scalar* scratch) {
    const index n = c.extent[1];
    if (a.extent[1] == 0 && !accumulate) {
      for (index i = 0; i < c.extent[0]; ++i)
        for (index j = 0; j < n; ++j) c(i, j) = scalar(0);
    }
    if (few_rows_gemm<P>::takes(a, b)) return few_rows_gemm<P>::multiply(a, b, c, accumulate);
    if (n <= P::size)
      by_panels<1>(a, b, c, accumulate, scratch, packing::by_blocks);
    else
      by_panels<2>(a, b, c, accumulate, scratch, packing::by_blocks);
  }

  /// With a micro-kernel of N packets in width.
  template <int N>
  static void by_panels(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate, scalar* scratch,
                        packing how) {
    constexpr index width = N * P::size;
    const index m = c.extent[0], n = c.extent[1], depth = a.extent[1], deep = block_depth(depth);
    const bool keeps = how != packing::by_blocks;
    // Few rows: each panel of B is used once, so it should not leave the first cache, and is read in place where that is possible.
    const bool few = m <= rows && !keeps, b_in_place = few && b.stride[1] == 1, a_in_place = in_place(a, (n + width - 1) / width);
    const index wide = few ? 2 * width : keeps ? rounded_up(n, width) : column_block;
    scalar* const packed_a = scratch;
    for (index k = 0; k < depth; k += deep) {
      const index kc = std::min(deep, depth - k);
      const bool from_c = accumulate || k > 0;
      scalar* const packed_b = scratch + row_block * depth_block + (keeps ? k * wide : 0);
      for (index j = 0; j < n; j += wide) {
        const index nc = std::min(wide, n - j), whole = b_in_place ? nc / width * width : 0;
        if (whole < nc && how != packing::kept)
          pack<width>(&b.data[k * b.stride[0] + (j + whole) * b.stride[1]], b.stride[1], b.stride[0], nc - whole, kc, packed_b);
        for (index i = 0; i < m; i += row_block) {
          const index mc = std::min(row_block, m - i), unpacked = a_in_place ? mc / rows * rows : 0;
          const scalar* const from = &a.data[i * a.stride[0] + k * a.stride[1]];
          if (unpacked < mc && (m > row_block || j == 0))
            pack<rows>(from + unpacked * a.stride[0], a.stride[0], a.stride[1], mc - unpacked, kc, packed_a);
          for (index jr = 0; jr < nc; jr += width) {
            const panel right =
                jr < whole ? panel{&b.data[k * b.stride[0] + j + jr], 1, b.stride[0]} : panel{packed_b + (jr - whole) * kc, 1, width};
            for (index ir = 0; ir < mc; ir += rows) {
              const panel left = ir < unpacked ? panel{from + ir * a.stride[0], a.stride[0], a.stride[1]}
                                               : panel{packed_a + (ir - unpacked) * kc, 1, rows};
              tile<N>(kc, left, right,
                      column_range(row_range(c, i + ir, std::min<index>(rows, mc - ir)), j + jr, std::min<index>(width, nc - jr)), from_c);
            }
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

  /// One tile of C, at most rows × N packets: the smallest kernel that covers it, through a buffer where C is smaller or not contiguous.
  template <int N> static void tile(index depth, const panel& a, const panel& b, matrix_view<scalar> c, bool from_c) {
    const index height = c.extent[0];
    if (height > 8 && rows > 8) return covered<rows, N>(depth, a, b, c, from_c);
    if (height > 4) return covered<std::min(rows, 8), N>(depth, a, b, c, from_c);
    if (height > 2) return covered<4, N>(depth, a, b, c, from_c);
    if (height > 1) return covered<2, N>(depth, a, b, c, from_c);
    covered<1, N>(depth, a, b, c, from_c);
  }

  template <int R, int N> static void covered(index depth, const panel& a, const panel& b, matrix_view<scalar> c, bool from_c) {
    constexpr int width = N * P::size;
    if (c.extent[0] == R && c.extent[1] == width && c.stride[1] == 1) return summed<R, N>(depth, a, b, c.data, c.stride[0], from_c);
    alignas(64) scalar buffer[R * width] = {};
    if (c.extent[1] == width / 2 && c.stride[1] == 1)
      through<R, N>(depth, a, b, c, from_c, buffer, std::integral_constant<index, width / 2>{});
    else
      through<R, N>(depth, a, b, c, from_c, buffer, c.extent[1]);
  }
  /// `count`: of columns, a constant where it is a usual one.
  template <int R, int N, class Count>
  static void through(index depth, const panel& a, const panel& b, matrix_view<scalar> c, bool from_c, scalar* buffer, Count count) {
    constexpr int width = N * P::size;
    const index step = std::is_same_v<Count, index> ? c.stride[1] : 1;
    if (from_c)
      for (index i = 0; i < c.extent[0]; ++i)
        for (index j = 0; j < count; ++j) buffer[i * width + j] = c.data[i * c.stride[0] + j * step];
    summed<R, N>(depth, a, b, buffer, width, from_c);
    for (index i = 0; i < c.extent[0]; ++i)
      for (index j = 0; j < count; ++j) c.data[i * c.stride[0] + j * step] = buffer[i * width + j];
  }

  template <int R, int N> static void summed(index depth, const panel& a, const panel& b, scalar* c, index c_stride, bool from_c) {
    using every_row = std::make_integer_sequence<int, R>;
    if (a.across == 1)
      kernel<N>(every_row{}, depth, neighbours{a.data, a.along}, b, c, c_stride, from_c);
    else
      kernel<N>(every_row{}, depth, lines{a.data, a.across}, b, c, c_stride, from_c);
  }

  /// A's elements of one k: side by side, or each in a line of its own. A few pointers reach all of these, three lines each.
  struct neighbours {
    const scalar* at;
    index along;
    template <int R> const scalar& row() const { return at[R]; }
    void next() { at += along; }
  };
  struct lines {
    lines(const scalar* a, index across) : stride(across) {
      for (int i = 0; i < groups; ++i) at[i] = a + 3 * i * across;
    }
    static constexpr int groups = (rows + 2) / 3;
    const scalar* at[groups];
    index stride, k = 0;
    template <int R> const scalar& row() const { return at[R / 3][R % 3 * stride + k]; }
    void next() { ++k; }
  };

  // The rows are a parameter pack, so that the sums are separate variables, and registers, at any level of optimisation.
  template <int N, int... R, class A>
  static void kernel(std::integer_sequence<int, R...>, index depth, A a, const panel& panel_b, scalar* c, index c_stride, bool from_c) {
    static_assert(N == 1 || N == 2);
    P left[sizeof...(R)], right[sizeof...(R)];
    if (from_c)
      ((left[R] = P::load(c + R * c_stride), right[R] = N == 2 ? P::load(c + R * c_stride + P::size) : left[R]), ...);
    else
      ((left[R] = right[R] = P::broadcast(scalar(0))), ...);
    (prefetch(c, (R + rows) * c_stride), ...);  // the tile below is next
    const scalar* b = panel_b.data;
    for (index k = 0; k < depth; ++k, a.next(), b += panel_b.along) {
      const P b_left = P::load(b), b_right = N == 2 ? P::load(b + P::size) : b_left;
      ((step<N>(P::broadcast(a.template row<R>()), b_left, b_right, left[R], right[R])), ...);
    }
    ((left[R].store(c + R * c_stride)), ...);
    if constexpr (N == 2) ((right[R].store(c + R * c_stride + P::size)), ...);
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
  template <int N> static void step(P a, P b_left, P b_right, P& left, P& right) {
    left = multiply_add(a, b_left, left);
    if constexpr (N == 2) right = multiply_add(a, b_right, right);
  }
};

}  // namespace tilt
