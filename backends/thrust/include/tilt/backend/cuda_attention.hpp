// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(__CUDACC__)
#error "tilt/backend/cuda_attention.hpp is CUDA source: compile it with nvcc"
#endif
#include <tilt/backend/cuda_team.hpp>
#include <tilt/model/attention.hpp>

namespace tilt::detail {

// Attention as tilt/model/attention.hpp has it, cut into more and smaller jobs than the row programs there: forward, and dq, a block for
// each tile of queries and head; dk and dv a block for each run of keys and KV head, which makes the probabilities again from what the
// first kept of every query: its largest score, the inverse of its sum and Σ_j p_ij dP_ij. No two blocks write the same number.

/// Rows of K and V whose slopes a block owns.
inline constexpr index cuda_keys = 32;
/// Of every query and head: largest score, 1/Σ exp, Σ p dP.
inline constexpr index cuda_attention_statistics = 3;

__device__ inline int cuda_warp() { return static_cast<int>(threadIdx.x) / 32; }
__device__ inline int cuda_lane() { return static_cast<int>(threadIdx.x) % 32; }

/// The same for all threads of a warp, in an order that depends on nothing.
template <class T, class Combine> __device__ T warp_result(T own, const Combine& combine) {
  for (int distance = 16; distance > 0; distance /= 2) own = combine(own, __shfl_xor_sync(0xFFFFFFFFU, own, distance));
  return own;
}

/// p of one tile and head into `scores`, a warp a row; what a query does not see is 0.
template <class T>
__device__ void cuda_probabilities(const cuda_team<T>& team, const attention_arguments<T>& a, index tile, index head, matrix_view<T> scores,
                                   T* statistics) {
  using std::exp;
  const index kv = head / (a.heads / a.kv_heads), seen = scores.extent[1], begin = a.plan.tile_begin[tile];
  const matrix_view<const T> q = a.query_tile(tile, head);
  for (index s = 0; s < a.path_length(tile); ++s) {
    const auto at = a.path_step(tile, s, seen);
    const matrix_view<const T> keys = column_range(row_range(a.key, at.row, at.count), kv * a.head_dim, a.head_dim);
    team.gemm(q, transposed(keys), column_range(scores, at.column, at.count), false);
  }
  for (index i = cuda_warp(); i < q.extent[0]; i += cuda_workers / 32) {
    T* const row = scores.data + i * scores.stride[0];
    const index visible = static_cast<index>(a.plan.query_position[begin + i]) + 1;
    T largest = -std::numeric_limits<T>::infinity(), total = 0;
    for (index j = cuda_lane(); j < visible; j += 32) largest = cuda_larger<T>{}(largest, row[j]);
    largest = warp_result(largest, cuda_larger<T>{});
    for (index j = cuda_lane(); j < visible; j += 32) {
      row[j] = exp((row[j] - largest) * a.scale);
      total += row[j];
    }
    const T inverse = T(1) / warp_result(total, cuda_plus<T>{});
    for (index j = cuda_lane(); j < seen; j += 32) row[j] = j < visible ? row[j] * inverse : T(0);
    if (statistics != nullptr && cuda_lane() == 0) {
      T* const s = statistics + ((begin + i) * a.heads + head) * cuda_attention_statistics;
      s[0] = largest, s[1] = inverse;
    }
  }
  __syncthreads();
}

template <class T>
__global__ void __launch_bounds__(cuda_workers) cuda_attention_forward(attention_arguments<T> a, matrix_view<T> out, team_scratch<T> scratch) {
  __shared__ cuda_team_memory<T> shared;
  const cuda_team<T> team(shared, scratch.data + static_cast<index>(blockIdx.x) * scratch.per_team);
  for (index job = blockIdx.x; job < a.plan.tiles * a.heads; job += gridDim.x) {
    const index tile = job / a.heads, head = job % a.heads, kv = head / (a.heads / a.kv_heads);
    const index begin = a.plan.tile_begin[tile], count = a.plan.tile_begin[tile + 1] - begin, seen = a.extent(tile);
    const matrix_view<T> scores = matrix_of(team.scratch(), count, seen);
    cuda_probabilities(team, a, tile, head, scores, static_cast<T*>(nullptr));
    const matrix_view<T> o = column_range(row_range(out, begin, count), head * a.head_dim, a.head_dim);
    for (index s = 0; s < a.path_length(tile); ++s) {
      const auto at = a.path_step(tile, s, seen);
      const matrix_view<const T> values = column_range(row_range(a.value, at.row, at.count), kv * a.head_dim, a.head_dim);
      team.gemm(column_range(scores, at.column, at.count), values, o, s > 0);
    }
  }
}

/// dq, and the statistics.
template <class T>
__global__ void __launch_bounds__(cuda_workers)
    cuda_attention_queries(attention_arguments<T> a, matrix_view<const T> d_out, matrix_view<T> d_query, T* statistics, team_scratch<T> scratch) {
  __shared__ cuda_team_memory<T> shared;
  const cuda_team<T> team(shared, scratch.data + static_cast<index>(blockIdx.x) * scratch.per_team);
  for (index job = blockIdx.x; job < a.plan.tiles * a.heads; job += gridDim.x) {
    const index tile = job / a.heads, head = job % a.heads, kv = head / (a.heads / a.kv_heads), d = a.head_dim;
    const index begin = a.plan.tile_begin[tile], count = a.plan.tile_begin[tile + 1] - begin, seen = a.extent(tile);
    const matrix_view<T> p = matrix_of(team.scratch(), count, seen), ds = matrix_of(team.scratch() + count * seen, count, seen);
    cuda_probabilities(team, a, tile, head, p, statistics);
    const matrix_view<const T> g = column_range(row_range(d_out, begin, count), head * d, d);
    for (index s = 0; s < a.path_length(tile); ++s) {
      const auto at = a.path_step(tile, s, seen);
      team.gemm(g, transposed(column_range(row_range(a.value, at.row, at.count), kv * d, d)), column_range(ds, at.column, at.count), false);
    }
    for (index i = cuda_warp(); i < count; i += cuda_workers / 32) {
      const T* const pi = p.data + i * p.stride[0];
      T* const si = ds.data + i * ds.stride[0];
      T mean = 0;
      for (index j = cuda_lane(); j < seen; j += 32) mean += pi[j] * si[j];
      mean = warp_result(mean, cuda_plus<T>{});
      for (index j = cuda_lane(); j < seen; j += 32) si[j] = pi[j] * (si[j] - mean) * a.scale;
      if (cuda_lane() == 0) statistics[((begin + i) * a.heads + head) * cuda_attention_statistics + 2] = mean;
    }
    __syncthreads();
    const matrix_view<T> dq = column_range(row_range(d_query, begin, count), head * d, d);
    for (index s = 0; s < a.path_length(tile); ++s) {
      const auto at = a.path_step(tile, s, seen);
      team.gemm(column_range(ds, at.column, at.count), column_range(row_range(a.key, at.row, at.count), kv * d, d), dq, s > 0);
    }
  }
}

/// What a block has of its keys beside the team's memory; an extra column keeps neighbouring threads on different banks.
template <class T> struct cuda_keys_memory {
  T p[attention_tile * (cuda_keys + 1)], ds[attention_tile * (cuda_keys + 1)];
  unsigned seen_by[cuda_workers / 32];
};

/// What one tile of queries adds to dk and dv of the rows [first, last) of one KV head.
template <class T>
__device__ void cuda_attention_tile(const cuda_team<T>& team, cuda_keys_memory<T>& memory, const attention_arguments<T>& a,
                                    const matrix_view<const T>& d_out, const matrix_view<T>& d_key, const matrix_view<T>& d_value,
                                    const T* statistics, index tile, index kv, index first, index last) {
  using std::exp;
  const index group = a.heads / a.kv_heads, d = a.head_dim, begin = a.plan.tile_begin[tile], count = a.plan.tile_begin[tile + 1] - begin;
  for (index s = 0; s < a.path_length(tile); ++s) {
    const auto at = a.path_step(tile, s, a.extent(tile));
    const index low = first < at.row ? at.row : first, high = last < at.row + at.count ? last : at.row + at.count, n = high - low;
    if (n <= 0) continue;
    const index column = at.column + (low - at.row);
    const matrix_view<T> p{memory.p, {count, n}, {cuda_keys + 1, 1}}, ds{memory.ds, {count, n}, {cuda_keys + 1, 1}};
    const auto rows_of = [=](auto all) { return column_range(row_range(all, low, n), kv * d, d); };
    for (index head = kv * group; head < (kv + 1) * group; ++head) {
      const matrix_view<const T> q = a.query_tile(tile, head), g = column_range(row_range(d_out, begin, count), head * d, d);
      team.gemm(q, transposed(rows_of(a.key)), p, false);
      team.gemm(g, transposed(rows_of(a.value)), ds, false);
      for (index e = cuda_worker(); e < count * n; e += cuda_workers) {
        const index i = e / n, j = e % n;
        const T* const kept = statistics + ((begin + i) * a.heads + head) * cuda_attention_statistics;
        const bool sees = column + j <= a.plan.query_position[begin + i];
        const T probability = sees ? exp((p(i, j) - kept[0]) * a.scale) * kept[1] : T(0);
        ds(i, j) = sees ? probability * (ds(i, j) - kept[2]) * a.scale : T(0);
        p(i, j) = probability;
      }
      __syncthreads();
      team.gemm(transposed(matrix_view<const T>(ds)), q, rows_of(d_key), true);
      team.gemm(transposed(matrix_view<const T>(p)), g, rows_of(d_value), true);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(cuda_workers) cuda_attention_keys(attention_arguments<T> a, matrix_view<const T> d_out, matrix_view<T> d_key,
                                                                   matrix_view<T> d_value, const T* statistics) {
  __shared__ cuda_team_memory<T> shared;
  __shared__ cuda_keys_memory<T> memory;
  const cuda_team<T> team(shared, nullptr);
  const index rows = a.key.extent[0], runs = (rows + cuda_keys - 1) / cuda_keys;
  for (index job = blockIdx.x; job < runs * a.kv_heads; job += gridDim.x) {
    const index first = job / a.kv_heads * cuda_keys, last = first + cuda_keys < rows ? first + cuda_keys : rows, kv = job % a.kv_heads;
    for (index begin = 0; begin < a.plan.tiles; begin += cuda_workers) {  // a thread asks for a tile whether it sees any of the keys
      const index own = begin + cuda_worker();
      bool sees = false;
      if (own < a.plan.tiles)
        for (index s = 0; s < a.path_length(own); ++s) {
          const auto at = a.path_step(own, s, a.extent(own));
          sees = sees || (at.row < last && first < at.row + at.count);
        }
      const unsigned of_warp = __ballot_sync(0xFFFFFFFFU, sees);
      if (cuda_lane() == 0) memory.seen_by[cuda_warp()] = of_warp;
      __syncthreads();
      for (int warp = 0; warp < cuda_workers / 32; ++warp)
        for (unsigned left = memory.seen_by[warp]; left != 0; left &= left - 1)
          cuda_attention_tile(team, memory, a, d_out, d_key, d_value, statistics, begin + 32 * warp + __ffs(static_cast<int>(left)) - 1, kv,
                              first, last);
      __syncthreads();
    }
  }
}

}  // namespace tilt::detail
