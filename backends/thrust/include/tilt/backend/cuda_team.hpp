// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(__CUDACC__)
#error "tilt/backend/cuda_team.hpp is CUDA source: compile it with nvcc"
#endif
#include <cub/block/block_reduce.cuh>
#include <limits>
#include <tilt/tensor/team.hpp>

namespace tilt::detail {

/// Threads of a block, which is the team of a row.
inline constexpr int cuda_workers = 128;
/// A product is made in tiles of C this wide and high, a piece of the inner dimension at a time.
inline constexpr int cuda_tile = 32, cuda_depth = 16;

/// What the threads of a block share. An extra column keeps neighbouring threads on different banks.
template <class T> struct cuda_team_memory {
  typename cub::BlockReduce<T, cuda_workers>::TempStorage reduction;
  T result;
  T a[cuda_depth][cuda_tile + 1], b[cuda_depth][cuda_tile + 1];
};

// Row programs are compiled for the host too, where a block has one thread and nothing to wait for; nothing there is ever called.
TILT_HD inline int cuda_worker() {
#ifdef __CUDA_ARCH__
  return static_cast<int>(threadIdx.x);
#else
  return 0;
#endif
}
TILT_HD inline void cuda_barrier() {
#ifdef __CUDA_ARCH__
  __syncthreads();
#endif
}

template <class T> struct cuda_plus {
  TILT_HD T operator()(const T& a, const T& b) const { return a + b; }
};
template <class T> struct cuda_larger {
  TILT_HD T operator()(const T& a, const T& b) const { return select(a < b, b, a); }
};

/// One tile of c = a·b or c += a·b by a block: rows from i0, columns from j0. Thread t has rows 2(t/8) + {0, 1} and columns 4(t mod 8)
/// + {0 … 3} of the tile; each of its eight sums is the chain s = multiply_add(a_ik, b_kj, s), k ascending. All threads must call it.
template <class T>
TILT_HD void cuda_product_tile(cuda_team_memory<T>& shared, const matrix_view<const T>& a, const matrix_view<const T>& b,
                               const matrix_view<T>& c, bool accumulate, index i0, index j0) {
  const int worker = cuda_worker(), row = 2 * (worker / 8), column = 4 * (worker % 8);
  const index m = c.extent[0], n = c.extent[1], depth = a.extent[1];
  T sum[2][4];
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      sum[i][j] = accumulate && i0 + row + i < m && j0 + column + j < n ? c(i0 + row + i, j0 + column + j) : constant<T>(0);
  for (index k0 = 0; k0 < depth; k0 += cuda_depth) {
    for (int e = worker; e < cuda_tile * cuda_depth; e += cuda_workers) {  // neighbours read neighbours, whichever way the matrix lies
      const int ka = a.stride[1] == 1 ? e % cuda_depth : e / cuda_tile, i = a.stride[1] == 1 ? e / cuda_depth : e % cuda_tile;
      shared.a[ka][i] = i0 + i < m && k0 + ka < depth ? a(i0 + i, k0 + ka) : constant<T>(0);
      const int kb = b.stride[1] == 1 ? e / cuda_tile : e % cuda_depth, j = b.stride[1] == 1 ? e % cuda_tile : e / cuda_depth;
      shared.b[kb][j] = j0 + j < n && k0 + kb < depth ? b(k0 + kb, j0 + j) : constant<T>(0);
    }
    cuda_barrier();
    const int count = depth - k0 < cuda_depth ? static_cast<int>(depth - k0) : cuda_depth;
    for (int k = 0; k < count; ++k)
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 4; ++j) sum[i][j] = multiply_add(shared.a[k][row + i], shared.b[k][column + j], sum[i][j]);
    cuda_barrier();
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      if (i0 + row + i < m && j0 + column + j < n) c(i0 + row + i, j0 + column + j) = sum[i][j];
}

/// A team that is a block of threads. `sum` gives thread t the elements t, t + 128, … in order, and adds the threads' sums in
/// cub::BlockReduce's order: what it returns depends on the length and the values alone.
template <class T> class cuda_team {
 public:
  using scalar = T;
  TILT_HD cuda_team(cuda_team_memory<T>& shared, T* scratch) : shared_(&shared), scratch_(scratch) {}

  template <class Body> TILT_HD void each(index n, const Body& body) const {
    for (index i = cuda_worker(); i < n; i += cuda_workers) body(scalar_lane<T>{}, i);
    cuda_barrier();
  }
  template <class Body> TILT_HD T sum(index n, const Body& body) const {
    T total = constant<T>(0);
    for (index i = cuda_worker(); i < n; i += cuda_workers) total = total + body(scalar_lane<T>{}, i);
    return shared_result(total, cuda_plus<T>{});
  }
  /// Minus infinity for an empty range; skips NaN.
  template <class Body> TILT_HD T max(index n, const Body& body) const {
    T largest = -std::numeric_limits<T>::infinity();
    for (index i = cuda_worker(); i < n; i += cuda_workers) largest = cuda_larger<T>{}(largest, body(scalar_lane<T>{}, i));
    return shared_result(largest, cuda_larger<T>{});
  }
  template <class Function> TILT_HD void once(const Function& function) const {
    if (cuda_worker() == 0) function();
    cuda_barrier();
  }
  TILT_HD void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) const {
    for (index i = 0; i < c.extent[0]; i += cuda_tile)
      for (index j = 0; j < c.extent[1]; j += cuda_tile) cuda_product_tile(*shared_, a, b, c, accumulate, i, j);
    cuda_barrier();
  }
  TILT_HD T* scratch() const { return scratch_; }

 private:
  template <class Combine> TILT_HD T shared_result(T own, [[maybe_unused]] const Combine& combine) const {
#ifdef __CUDA_ARCH__
    const T result = cub::BlockReduce<T, cuda_workers>(shared_->reduction).Reduce(own, combine);
    if (threadIdx.x == 0) shared_->result = result;
    __syncthreads();
    own = shared_->result;
    __syncthreads();  // before anybody writes there again
#endif
    return own;
  }

  cuda_team_memory<T>* shared_;
  T* scratch_;
};
static_assert(team<cuda_team<float>>);

/// Row r of `n` by block r mod the number of blocks, which has the scratch of that number.
template <class T, class Program>
__global__ void __launch_bounds__(cuda_workers) cuda_rows(index n, Program program, team_scratch<T> scratch) {
  __shared__ cuda_team_memory<T> shared;
  const cuda_team<T> team(shared, scratch.data == nullptr ? nullptr : scratch.data + static_cast<index>(blockIdx.x) * scratch.per_team);
  for (index row = blockIdx.x; row < n; row += gridDim.x) program(team, row);
}

/// c = a·b or c += a·b for strides that no BLAS takes: a block a tile.
template <class T>
__global__ void __launch_bounds__(cuda_workers)
    cuda_strided_product(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
  __shared__ cuda_team_memory<T> shared;
  const index across = (c.extent[1] + cuda_tile - 1) / cuda_tile, tiles = across * ((c.extent[0] + cuda_tile - 1) / cuda_tile);
  for (index tile = blockIdx.x; tile < tiles; tile += gridDim.x)
    cuda_product_tile(shared, a, b, c, accumulate, tile / across * cuda_tile, tile % across * cuda_tile);
}

}  // namespace tilt::detail
