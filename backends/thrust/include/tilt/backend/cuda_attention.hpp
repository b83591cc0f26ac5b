// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(__CUDACC__)
#error "tilt/backend/cuda_attention.hpp is CUDA source: compile it with nvcc"
#endif
#include <tilt/backend/cuda_team.hpp>
#include <tilt/model/attention.hpp>

namespace tilt::detail {

// Attention as tilt/model/attention.hpp has it, in blocks of four warps that hold their operands in shared memory and their results in
// registers (after FlashAttention, Dao 2023, arXiv 2307.08691): forward, and dq, a block for each tile of queries and head, which walks
// the keys 32 at a time with a running maximum and sum; dk and dv a block for each 32 keys and KV head, which makes the probabilities
// again from what the block of the queries kept. No two blocks write the same number, and every order of summation is fixed.
//
// In all of them lane j of a warp has key j of 32, and warp w the queries w, w + 4, …; `Columns` is ⌈head_dim / 32⌉, at most 4.

inline constexpr int cuda_keys = 32, cuda_warps = cuda_workers / 32;
/// Queries of a warp, and rows of a tile in shared memory.
inline constexpr int cuda_own_queries = (static_cast<int>(attention_tile) + cuda_warps - 1) / cuda_warps,
                     cuda_tile_rows = cuda_own_queries * cuda_warps;
/// Kept of every query and head: largest score, 1/Σ exp, Σ p dP.
inline constexpr index cuda_attention_statistics = 3;
inline constexpr int cuda_attention_columns = 4;

__device__ inline int cuda_warp() { return static_cast<int>(threadIdx.x) / 32; }
__device__ inline int cuda_lane() { return static_cast<int>(threadIdx.x) % 32; }

/// The same for all lanes, in an order that depends on nothing.
template <class T, class Combine> __device__ T warp_result(T own, const Combine& combine) {
  for (int distance = 16; distance > 0; distance /= 2) own = combine(own, __shfl_xor_sync(0xFFFFFFFFU, own, distance));
  return own;
}

/// Shared memory of a block: `keys` and `values` of 32 rows, `query` and `slope` (dO) of a tile, and `weights` and `slopes` [tile, 32]. An
/// extra column keeps neighbouring lanes on different banks; lanes beyond head_dim read what lies behind and keep nothing of it.
template <class T> struct cuda_attention_memory {
  T *keys, *values, *query, *slope, *weights, *slopes;
  int stride;
  static constexpr int weight_stride = cuda_keys + 1, slack = 32 * cuda_attention_columns;

  __device__ cuda_attention_memory(T* memory, int head_dim) : stride(head_dim + 1) {
    keys = memory;
    values = keys + cuda_keys * stride;
    query = values + cuda_keys * stride;
    slope = query + cuda_tile_rows * stride;
    weights = slope + cuda_tile_rows * stride;
    slopes = weights + cuda_tile_rows * weight_stride;
  }
  static std::size_t bytes(index head_dim) {
    return sizeof(T) *
           static_cast<std::size_t>(2 * (cuda_keys + cuda_tile_rows) * (head_dim + 1) + 2 * cuda_tile_rows * weight_stride + slack);
  }
  /// Rows into shared memory, a warp a row.
  template <class U> __device__ void load(T* to, const matrix_view<U>& rows) const {
    for (int i = cuda_warp(); i < rows.extent[0]; i += cuda_warps)
      for (int c = cuda_lane(); c < rows.extent[1]; c += 32) to[i * stride + c] = rows(i, c);
  }
};

/// Of the warp's queries and the lane's key: products[r] = Σ_c rows(w + 4r, c)·keys(lane, c).
template <class T> __device__ void cuda_scores(const T* rows, const T* keys, int stride, int head_dim, T* products) {
  for (int r = 0; r < cuda_own_queries; ++r) products[r] = T(0);
  const T* const own = rows + cuda_warp() * stride;
  const T* const key = keys + cuda_lane() * stride;
#pragma unroll 4
  for (int c = 0; c < head_dim; ++c) {
    const T k = key[c];
#pragma unroll
    for (int r = 0; r < cuda_own_queries; ++r) products[r] = multiply_add(own[r * cuda_warps * stride + c], k, products[r]);
  }
}

/// sums[r][·] += Σ_{j < n} weights(w + 4r, j)·rows(j, ·), where lane l has the columns l, l + 32, …
template <class T, int Columns>
__device__ void cuda_weighted(const T* weights, const T* rows, int stride, int n, T (&sums)[cuda_own_queries][Columns]) {
  const T* const own = weights + cuda_warp() * cuda_attention_memory<T>::weight_stride;
  for (int j = 0; j < n; ++j)
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
      const T x = rows[j * stride + cuda_lane() + 32 * c];
#pragma unroll
      for (int r = 0; r < cuda_own_queries; ++r)
        sums[r][c] = multiply_add(own[r * cuda_warps * cuda_attention_memory<T>::weight_stride + j], x, sums[r][c]);
    }
}

/// The tile of queries and the head of a job.
template <class T> struct cuda_query_job {
  index tile, head, kv, begin;
  int count;

  __device__ cuda_query_job(const attention_arguments<T>& a, index job)
      : tile(job / a.heads), head(job % a.heads), kv(head / (a.heads / a.kv_heads)), begin(a.plan.tile_begin[tile]),
        count(static_cast<int>(a.plan.tile_begin[tile + 1] - begin)) {}
  template <class M> __device__ M of_tile(const M& all, index d) const { return column_range(row_range(all, begin, count), head * d, d); }
  __device__ index position(const attention_arguments<T>& a, int i) const { return i < count ? a.plan.query_position[begin + i] : -1; }
};

/// Walks what a tile sees: loads keys and values into shared memory, 32 at a time, and calls work(column of the first, number).
template <class T, class Work>
__device__ void cuda_each_keys(const cuda_attention_memory<T>& memory, const attention_arguments<T>& a, const cuda_query_job<T>& job,
                               const Work& work) {
  const index seen = a.extent(job.tile), d = a.head_dim;
  for (index s = 0; s < a.path_length(job.tile); ++s) {
    const auto at = a.path_step(job.tile, s, seen);
    for (index first = 0; first < at.count; first += cuda_keys) {
      const index n = at.count - first < cuda_keys ? at.count - first : cuda_keys;
      __syncthreads();  // the keys before are no longer needed
      memory.load(memory.keys, column_range(row_range(a.key, at.row + first, n), job.kv * d, d));
      memory.load(memory.values, column_range(row_range(a.value, at.row + first, n), job.kv * d, d));
      __syncthreads();
      work(at.column + first, static_cast<int>(n));
    }
  }
}

/// m, Σ exp and what is summed with the same weights go from the maximum `before` to a larger one by this factor.
template <class T> __device__ T cuda_rescale(T before, T after, T scale) {
  using std::exp;
  return before == after ? T(1) : exp((before - after) * scale);
}

template <class T, int Columns>
__global__ void __launch_bounds__(cuda_workers) cuda_attention_forward(attention_arguments<T> a, matrix_view<T> out) {
  using std::exp;
  extern __shared__ __align__(16) unsigned char shared[];
  const int d = static_cast<int>(a.head_dim);
  const cuda_attention_memory<T> memory(reinterpret_cast<T*>(shared), d);
  const T none = -std::numeric_limits<T>::infinity();
  for (index j = blockIdx.x; j < a.plan.tiles * a.heads; j += gridDim.x) {
    const cuda_query_job<T> job(a, j);
    T largest[cuda_own_queries], total[cuda_own_queries], o[cuda_own_queries][Columns];
    for (int r = 0; r < cuda_own_queries; ++r) {
      largest[r] = none, total[r] = T(0);
      for (int c = 0; c < Columns; ++c) o[r][c] = T(0);
    }
    __syncthreads();
    memory.load(memory.query, job.of_tile(a.query, d));
    cuda_each_keys(memory, a, job, [&](index column, int n) {
      T score[cuda_own_queries];
      cuda_scores(memory.query, memory.keys, memory.stride, d, score);
#pragma unroll
      for (int r = 0; r < cuda_own_queries; ++r) {
        const int i = cuda_warp() + cuda_warps * r;
        const bool sees = cuda_lane() < n && column + cuda_lane() <= job.position(a, i);
        const T peak = cuda_larger<T>{}(largest[r], warp_result(sees ? score[r] : none, cuda_larger<T>{}));
        const T p = sees ? exp((score[r] - peak) * a.scale) : T(0), factor = cuda_rescale(largest[r], peak, a.scale);
        largest[r] = peak;
        total[r] = total[r] * factor + warp_result(p, cuda_plus<T>{});
        for (int c = 0; c < Columns; ++c) o[r][c] *= factor;
        memory.weights[i * memory.weight_stride + cuda_lane()] = p;
      }
      __syncwarp();
      cuda_weighted(memory.weights, memory.values, memory.stride, n, o);
      __syncwarp();
    });
    const matrix_view<T> result = job.of_tile(out, d);
    for (int r = 0; r < cuda_own_queries; ++r)
      for (int c = 0; c < Columns; ++c) {
        const int i = cuda_warp() + cuda_warps * r, at = cuda_lane() + 32 * c;
        if (i < job.count && at < d) result(i, at) = o[r][c] / total[r];
      }
  }
}

/// dq, and the statistics [queries, heads, 3]: once over the keys for these, once more for dq.
template <class T, int Columns>
__global__ void __launch_bounds__(cuda_workers)
    cuda_attention_queries(attention_arguments<T> a, matrix_view<const T> d_out, matrix_view<T> d_query, T* statistics) {
  using std::exp;
  extern __shared__ __align__(16) unsigned char shared[];
  const int d = static_cast<int>(a.head_dim);
  const cuda_attention_memory<T> memory(reinterpret_cast<T*>(shared), d);
  const T none = -std::numeric_limits<T>::infinity();
  for (index j = blockIdx.x; j < a.plan.tiles * a.heads; j += gridDim.x) {
    const cuda_query_job<T> job(a, j);
    T largest[cuda_own_queries], total[cuda_own_queries], mean[cuda_own_queries], dq[cuda_own_queries][Columns];
    for (int r = 0; r < cuda_own_queries; ++r) {
      largest[r] = none, total[r] = mean[r] = T(0);
      for (int c = 0; c < Columns; ++c) dq[r][c] = T(0);
    }
    __syncthreads();
    memory.load(memory.query, job.of_tile(a.query, d));
    memory.load(memory.slope, job.of_tile(d_out, d));
    cuda_each_keys(memory, a, job, [&](index column, int n) {
      T score[cuda_own_queries], dp[cuda_own_queries];
      cuda_scores(memory.query, memory.keys, memory.stride, d, score);
      cuda_scores(memory.slope, memory.values, memory.stride, d, dp);
#pragma unroll
      for (int r = 0; r < cuda_own_queries; ++r) {
        const bool sees = cuda_lane() < n && column + cuda_lane() <= job.position(a, cuda_warp() + cuda_warps * r);
        const T peak = cuda_larger<T>{}(largest[r], warp_result(sees ? score[r] : none, cuda_larger<T>{}));
        const T p = sees ? exp((score[r] - peak) * a.scale) : T(0), factor = cuda_rescale(largest[r], peak, a.scale);
        largest[r] = peak;
        total[r] = total[r] * factor + warp_result(p, cuda_plus<T>{});
        mean[r] = mean[r] * factor + warp_result(sees ? p * dp[r] : T(0), cuda_plus<T>{});
      }
    });
    for (int r = 0; r < cuda_own_queries; ++r) {
      const int i = cuda_warp() + cuda_warps * r;
      total[r] = T(1) / total[r];
      mean[r] *= total[r];
      if (i < job.count && cuda_lane() == 0) {
        T* const kept = statistics + ((job.begin + i) * a.heads + job.head) * cuda_attention_statistics;
        kept[0] = largest[r], kept[1] = total[r], kept[2] = mean[r];
      }
    }
    cuda_each_keys(memory, a, job, [&](index column, int n) {
      T score[cuda_own_queries], dp[cuda_own_queries];
      cuda_scores(memory.query, memory.keys, memory.stride, d, score);
      cuda_scores(memory.slope, memory.values, memory.stride, d, dp);
#pragma unroll
      for (int r = 0; r < cuda_own_queries; ++r) {
        const int i = cuda_warp() + cuda_warps * r;
        const bool sees = cuda_lane() < n && column + cuda_lane() <= job.position(a, i);
        memory.slopes[i * memory.weight_stride + cuda_lane()] =
            sees ? exp((score[r] - largest[r]) * a.scale) * total[r] * (dp[r] - mean[r]) * a.scale : T(0);
      }
      __syncwarp();
      cuda_weighted(memory.slopes, memory.keys, memory.stride, n, dq);
      __syncwarp();
    });
    const matrix_view<T> result = job.of_tile(d_query, d);
    for (int r = 0; r < cuda_own_queries; ++r)
      for (int c = 0; c < Columns; ++c) {
        const int i = cuda_warp() + cuda_warps * r, at = cuda_lane() + 32 * c;
        if (i < job.count && at < d) result(i, at) = dq[r][c];
      }
  }
}

/// dk and dv, accumulated: lane j has row first + j, and warp w the columns 8·Columns·w + {0 … 8·Columns − 1}, of one run of 32 rows.
template <class T, int Columns>
__global__ void __launch_bounds__(cuda_workers) cuda_attention_keys(attention_arguments<T> a, matrix_view<const T> d_out,
                                                                    matrix_view<T> d_key, matrix_view<T> d_value, const T* statistics) {
  using std::exp;
  extern __shared__ __align__(16) unsigned char shared[];
  __shared__ unsigned seen_by[cuda_warps];
  constexpr int own_columns = 8 * Columns;
  const int d = static_cast<int>(a.head_dim), left = cuda_warp() * own_columns;
  const cuda_attention_memory<T> memory(reinterpret_cast<T*>(shared), d);
  const index rows = a.key.extent[0], runs = (rows + cuda_keys - 1) / cuda_keys, group = a.heads / a.kv_heads;
  for (index j = blockIdx.x; j < runs * a.kv_heads; j += gridDim.x) {
    const index first = j / a.kv_heads * cuda_keys, last = first + cuda_keys < rows ? first + cuda_keys : rows, kv = j % a.kv_heads;
    const index row = first + cuda_lane();
    T dk[own_columns], dv[own_columns];
    for (int c = 0; c < own_columns; ++c) dk[c] = dv[c] = T(0);
    __syncthreads();
    memory.load(memory.keys, column_range(row_range(a.key, first, last - first), kv * d, d));
    memory.load(memory.values, column_range(row_range(a.value, first, last - first), kv * d, d));

    const auto add_tile = [&](index tile) {
      index column = std::numeric_limits<std::int32_t>::max();  // of the lane's row on the tile's path, if it lies there
      for (index s = 0; s < a.path_length(tile); ++s) {
        const auto at = a.path_step(tile, s, a.extent(tile));
        if (at.row <= row && row < at.row + at.count && row < last) column = at.column + (row - at.row);
      }
      for (index head = kv * group; head < (kv + 1) * group; ++head) {
        const cuda_query_job<T> job(a, tile * a.heads + head);
        __syncthreads();
        memory.load(memory.query, job.of_tile(a.query, d));
        memory.load(memory.slope, job.of_tile(d_out, d));
        __syncthreads();
        T score[cuda_own_queries], dp[cuda_own_queries];
        cuda_scores(memory.query, memory.keys, memory.stride, d, score);
        cuda_scores(memory.slope, memory.values, memory.stride, d, dp);
#pragma unroll
        for (int r = 0; r < cuda_own_queries; ++r) {
          const int i = cuda_warp() + cuda_warps * r, at = i * memory.weight_stride + cuda_lane();
          T p = T(0), ds = T(0);
          if (column <= job.position(a, i)) {
            const T* const kept = statistics + ((job.begin + i) * a.heads + head) * cuda_attention_statistics;
            p = exp((score[r] - kept[0]) * a.scale) * kept[1];
            ds = p * (dp[r] - kept[2]) * a.scale;
          }
          memory.weights[at] = p, memory.slopes[at] = ds;
        }
        __syncthreads();
        for (int i = 0; i < job.count; ++i) {
          const T p = memory.weights[i * memory.weight_stride + cuda_lane()], ds = memory.slopes[i * memory.weight_stride + cuda_lane()];
          const T *const q = memory.query + i * memory.stride + left, *const g = memory.slope + i * memory.stride + left;
#pragma unroll
          for (int c = 0; c < own_columns; ++c) {
            dk[c] = multiply_add(ds, q[c], dk[c]);
            dv[c] = multiply_add(p, g[c], dv[c]);
          }
        }
      }
    };
    for (index begin = 0; begin < a.plan.tiles; begin += cuda_workers) {  // a thread asks for a tile whether it sees any of the keys
      const index own = begin + cuda_worker();
      bool sees = false;
      if (own < a.plan.tiles)
        for (index s = 0; s < a.path_length(own); ++s) {
          const auto at = a.path_step(own, s, a.extent(own));
          sees = sees || (at.row < last && first < at.row + at.count);
        }
      const unsigned of_warp = __ballot_sync(0xFFFFFFFFU, sees);
      if (cuda_lane() == 0) seen_by[cuda_warp()] = of_warp;
      __syncthreads();
      for (int warp = 0; warp < cuda_warps; ++warp)
        for (unsigned tiles = seen_by[warp]; tiles != 0; tiles &= tiles - 1)
          add_tile(begin + 32 * warp + __ffs(static_cast<int>(tiles)) - 1);
      __syncthreads();
    }
    if (row < last)
#pragma unroll
      for (int c = 0; c < own_columns; ++c)  // a bound at run time would put the sums into local memory
        if (left + c < d) {
          d_key(row, kv * d + left + c) += dk[c];
          d_value(row, kv * d + left + c) += dv[c];
        }
  }
}

/// work(integral_constant of ⌈head_dim / 32⌉), rounded up to a power of two.
template <class Work> void with_attention_columns(index head_dim, const Work& work) {
  if (head_dim <= 32)
    work(std::integral_constant<int, 1>{});
  else if (head_dim <= 64)
    work(std::integral_constant<int, 2>{});
  else
    work(std::integral_constant<int, cuda_attention_columns>{});
}

}  // namespace tilt::detail
