// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/tree_layout.hpp>

namespace tilt::detail {

// Scaled dot-product attention with grouped queries (Vaswani et al. 2017, arXiv 1706.03762; Ainslie et al. 2023, arXiv 2305.13245)
// over prompt trees. For query i of head h, with keys j on its path up to its own position n(i):
//   s_ij = q_i·k_j / √d,   p_ij = exp(s_ij − max_j s_ij) / Σ_j exp(…),   o_i = Σ_j p_ij v_j.
// Backward, with g = dL/do:  dP_ij = g_i·v_j,  dS_ij = p_ij (dP_ij − Σ_j p_ij dP_ij)/√d,
//   dq_i = Σ_j dS_ij k_j,  dk_j = Σ_i dS_ij q_i,  dv_j = Σ_i p_ij g_i.
// A path's keys are walked in order and every sum is a chain over positions, so a sequence's bits are the same alone, packed, or as
// a branch of a tree. Forward, a team owns (tile of queries, KV head); backward, (tree, KV head), and so owns dk and dv.

template <class T> struct attention_arguments {
  attention_plan plan;
  matrix_view<const T> query;       // [queries, heads·d]
  matrix_view<const T> key, value;  // [rows, kv_heads·d]
  index heads, kv_heads, head_dim;
  T scale;

  TILT_HD matrix_view<const T> query_tile(index tile, index head) const {
    const index begin = plan.tile_begin[tile];
    return column_range(row_range(query, begin, plan.tile_begin[tile + 1] - begin), head * head_dim, head_dim);
  }
  /// Keys or values of the path's step `s`, of those that the tile can see.
  struct step {
    index column, count, row;  // first column of the scores, number of keys, first row of K
  };
  TILT_HD step path_step(index tile, index s, index extent) const {
    const std::int32_t* const path = plan.path + plan.path_begin[plan.tile_segment[tile]];
    const index column = plan.segment_position[path[s]];
    const index end = s + 1 < path_length(tile) ? static_cast<index>(plan.segment_position[path[s + 1]]) : extent;
    return {column, end - column, plan.segment_begin[path[s]]};
  }
  TILT_HD index path_length(index tile) const {
    const index own = plan.tile_segment[tile];
    return plan.path_begin[own + 1] - plan.path_begin[own];
  }
  /// Number of keys that the tile's last query sees.
  TILT_HD index extent(index tile) const { return static_cast<index>(plan.query_position[plan.tile_begin[tile + 1] - 1]) + 1; }

  /// p of one tile and head into `scores` [queries of the tile, extent]; what a query does not see is 0.
  template <class Team> TILT_HD void probabilities(const Team& team, index tile, index head, matrix_view<T> scores) const {
    const index kv = head / (heads / kv_heads), seen = scores.extent[1];
    const matrix_view<const T> q = query_tile(tile, head);
    for (index s = 0; s < path_length(tile); ++s) {
      const step at = path_step(tile, s, seen);
      const matrix_view<const T> keys = column_range(row_range(key, at.row, at.count), kv * head_dim, head_dim);
      team.gemm(q, transposed(keys), column_range(scores, at.column, at.count), false);
    }
    for (index i = 0; i < q.extent[0]; ++i) {
      T* const row = scores.data + i * scores.stride[0];
      const index visible = static_cast<index>(plan.query_position[plan.tile_begin[tile] + i]) + 1;
      const T factor = scale;
      const T largest = team.max(visible, [=](const auto& lane, index j) { return lane.load(row, j); });
      const T total = team.sum(visible, [=](const auto& lane, index j) {
        using std::exp;
        using number = decltype(lane.load(row, j));
        const number e = exp((lane.load(row, j) - number(largest)) * number(factor));
        lane.store(row, j, e);
        return e;
      });
      const T inverse = constant<T>(1) / total;
      team.each(visible, [=](const auto& lane, index j) {
        using number = decltype(lane.load(row, j));
        lane.store(row, j, lane.load(row, j) * number(inverse));
      });
      T* const unseen = row + visible;
      team.each(seen - visible, [=](const auto& lane, index j) {
        using number = decltype(lane.load(unseen, j));
        lane.store(unseen, j, number(constant<T>(0)));
      });
    }
  }
};

template <class T> struct attention_forward_program {
  attention_arguments<T> a;
  matrix_view<T> out;  // [queries, heads·d]

  template <class Team> TILT_HD void operator()(const Team& team, index job) const {
    const index tile = job / a.kv_heads, kv = job % a.kv_heads, group = a.heads / a.kv_heads;
    const index begin = a.plan.tile_begin[tile], count = a.plan.tile_begin[tile + 1] - begin, seen = a.extent(tile);
    const matrix_view<T> scores = matrix_of(team.scratch(), count, seen);
    for (index head = kv * group; head < (kv + 1) * group; ++head) {
      a.probabilities(team, tile, head, scores);
      const matrix_view<T> o = column_range(row_range(out, begin, count), head * a.head_dim, a.head_dim);
      for (index s = 0; s < a.path_length(tile); ++s) {
        const auto at = a.path_step(tile, s, seen);
        const matrix_view<const T> values = column_range(row_range(a.value, at.row, at.count), kv * a.head_dim, a.head_dim);
        team.gemm(column_range(scores, at.column, at.count), values, o, s > 0);
      }
    }
  }
};

template <class T> struct attention_backward_program {
  attention_arguments<T> a;
  matrix_view<const T> d_out;   // [queries, heads·d]
  matrix_view<T> d_query;       // assigned
  matrix_view<T> d_key, d_value;  // [rows, kv_heads·d], accumulated

  template <class Team> TILT_HD void operator()(const Team& team, index job) const {
    const index tree = job / a.kv_heads, kv = job % a.kv_heads;
    for (index tile = a.plan.tree_tile[tree]; tile < a.plan.tree_tile[tree + 1]; ++tile) one_tile(team, tile, kv);
  }

 private:
  template <class Team> TILT_HD void one_tile(const Team& team, index tile, index kv) const {
    const index group = a.heads / a.kv_heads, d = a.head_dim;
    const index begin = a.plan.tile_begin[tile], count = a.plan.tile_begin[tile + 1] - begin, seen = a.extent(tile);
    const matrix_view<T> p = matrix_of(team.scratch(), count, seen);
    const matrix_view<T> ds = matrix_of(team.scratch() + count * seen, count, seen);
    for (index head = kv * group; head < (kv + 1) * group; ++head) {
      a.probabilities(team, tile, head, p);
      const matrix_view<const T> g = column_range(row_range(d_out, begin, count), head * d, d);
      for (index s = 0; s < a.path_length(tile); ++s) {
        const auto at = a.path_step(tile, s, seen);
        team.gemm(g, transposed(column_range(row_range(a.value, at.row, at.count), kv * d, d)), column_range(ds, at.column, at.count), false);
      }
      for (index i = 0; i < count; ++i) {
        const T* const pi = p.data + i * p.stride[0];
        T* const si = ds.data + i * ds.stride[0];
        const T factor = a.scale;
        const index visible = static_cast<index>(a.plan.query_position[begin + i]) + 1;  // not `seen`: the order of a sum is its length's
        const T mean = team.sum(visible, [=](const auto& lane, index j) { return lane.load(pi, j) * lane.load(si, j); });
        team.each(seen, [=](const auto& lane, index j) {
          using number = decltype(lane.load(pi, j));
          lane.store(si, j, lane.load(pi, j) * (lane.load(si, j) - number(mean)) * number(factor));
        });
      }
      const matrix_view<const T> q = a.query_tile(tile, head);
      const matrix_view<T> dq = column_range(row_range(d_query, begin, count), head * d, d);
      for (index s = 0; s < a.path_length(tile); ++s) {
        const auto at = a.path_step(tile, s, seen);
        const matrix_view<const T> ds_step = column_range(ds, at.column, at.count);
        const matrix_view<const T> p_step = column_range(p, at.column, at.count);
        team.gemm(ds_step, column_range(row_range(a.key, at.row, at.count), kv * d, d), dq, s > 0);
        team.gemm(transposed(ds_step), q, column_range(row_range(d_key, at.row, at.count), kv * d, d), true);
        team.gemm(transposed(p_step), g, column_range(row_range(d_value, at.row, at.count), kv * d, d), true);
      }
    }
  }
};

}  // namespace tilt::detail

namespace tilt {

template <class B>
concept attends_forward = requires(B& b, const detail::attention_arguments<typename B::scalar>& a, matrix_view<typename B::scalar> out,
                                   team_scratch<typename B::scalar> scratch) { b.attention_forward(a, out, scratch); };
template <class B>
concept attends_backward = requires(B& b, const detail::attention_arguments<typename B::scalar>& a, matrix_view<const typename B::scalar> g,
                                    matrix_view<typename B::scalar> d, team_scratch<typename B::scalar> scratch) {
  b.attention_backward(a, g, d, d, d, scratch);
};
/// A backend with attention of its own: members attention_forward and attention_backward that take what the functions below take after
/// the backend, and do what they do. Found at compile time.
template <class B>
concept fuses_attention = attends_forward<B> && attends_backward<B>;

}  // namespace tilt

namespace tilt::detail {

template <class B> struct require_whole_attention {
  static_assert(attends_forward<B> == attends_backward<B>,
                "a backend that fuses attention needs both attention_forward(a, out, scratch) and attention_backward(a, d_out, d_query, d_key, "
                "d_value, scratch) (docs/backends.md, Fast paths)");
  static constexpr bool value = fuses_attention<B>;
};

/// Scratch elements that a team needs.
inline constexpr index attention_scratch(index longest, bool backward) { return attention_tile * longest * (backward ? 2 : 1); }

template <backend B>
void attention_forward(B& b, const attention_arguments<typename B::scalar>& a, matrix_view<typename B::scalar> out,
                       team_scratch<typename B::scalar> scratch) {
  if constexpr (require_whole_attention<B>::value) b.attention_forward(a, out, scratch);
  else b.rows(a.plan.tiles * a.kv_heads, attention_forward_program<typename B::scalar>{a, out}, scratch);
}

/// d_query is assigned; d_key and d_value are accumulated into (several branches share a prompt's).
template <backend B>
void attention_backward(B& b, const attention_arguments<typename B::scalar>& a, matrix_view<const typename B::scalar> d_out,
                        matrix_view<typename B::scalar> d_query, matrix_view<typename B::scalar> d_key,
                        matrix_view<typename B::scalar> d_value, team_scratch<typename B::scalar> scratch) {
  if constexpr (require_whole_attention<B>::value) b.attention_backward(a, d_out, d_query, d_key, d_value, scratch);
  else b.rows(a.plan.trees * a.kv_heads, attention_backward_program<typename B::scalar>{a, d_out, d_query, d_key, d_value}, scratch);
}

}  // namespace tilt::detail
