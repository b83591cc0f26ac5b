// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/model/attention.hpp>
#include <tilt/model/feed_forward.hpp>
#include <tilt/model/linear.hpp>
#include <tilt/model/norm.hpp>
#include <tilt/model/rope.hpp>
#include <tilt/tensor/arena.hpp>

namespace tilt::detail {

// One decoder layer:  m = x + attention(norm(x)),  y = m + feed_forward(norm(m)).
// Keys and values are needed of every token, the rest only of `rows`: all tokens, or in the last layer those that predict something.

/// What forward keeps for backward. Widths: d hidden, q query, k key, f feed-forward.
template <class T> struct layer_activations {
  T* input = nullptr;                 // [tokens, d]
  T* input_statistics = nullptr;      // [tokens, 2]
  T* query = nullptr;                 // [rows, q], normalised and rotated
  T* key = nullptr;                   // [tokens, k], likewise
  T* value = nullptr;                 // [tokens, k]
  T* raw_query = nullptr;             // [rows, q] before its norm, where there is one
  T* raw_key = nullptr;               // [tokens, k]
  T* query_statistics = nullptr;      // [rows·heads, 2]
  T* key_statistics = nullptr;        // [tokens·kv_heads, 2]
  T* attended = nullptr;              // [rows, q]
  T* middle = nullptr;                // [rows, d]
  T* middle_statistics = nullptr;     // [rows, 2]
  T* gate = nullptr;                  // [rows, f]
  T* up = nullptr;                    // [rows, f]

  template <class Arena> void take(Arena& arena, const model_config& c, index tokens, index rows) {
    const index d = c.hidden_size, q = c.query_width(), k = c.key_width(), f = c.intermediate_size;
    input_statistics = arena.template take<T>(2 * tokens);
    query = arena.template take<T>(rows * q);
    key = arena.template take<T>(tokens * k);
    value = arena.template take<T>(tokens * k);
    if (c.qk_norm) {
      raw_query = arena.template take<T>(rows * q);
      raw_key = arena.template take<T>(tokens * k);
      query_statistics = arena.template take<T>(2 * rows * c.num_attention_heads);
      key_statistics = arena.template take<T>(2 * tokens * c.num_key_value_heads);
    }
    attended = arena.template take<T>(rows * q);
    middle = arena.template take<T>(rows * d);
    middle_statistics = arena.template take<T>(2 * rows);
    if (c.feed_forward == feed_forward_kind::swiglu) gate = arena.template take<T>(rows * f);
    up = arena.template take<T>(rows * f);
  }
};

/// Memory that layers share, one after the other.
template <class T> struct layer_scratch {
  T* normed = nullptr;      // [tokens, d]
  T* gathered = nullptr;    // [rows, d], where rows are not all tokens
  T* projected = nullptr;   // [rows, d]
  T* hidden = nullptr;      // [rows, f]
  T* d_hidden = nullptr;    // backward: [rows, f], gradient of hidden and then of up
  T* d_gate = nullptr;      // [rows, f]
  T* d_normed = nullptr;    // [tokens, d]
  T* d_query = nullptr;     // [rows, q]
  T* d_attended = nullptr;  // [rows, q]
  T* d_key = nullptr;       // [tokens, k]
  T* d_value = nullptr;     // [tokens, k]
  T* terms = nullptr;       // [tokens, max(d, q)]
  T* ones = nullptr;        // as many ones as any column sum has rows
  team_scratch<T> team;

  template <class Arena>
  void take(Arena& arena, const model_config& c, index tokens, index rows, index longest, index teams, bool training) {
    const index d = c.hidden_size, q = c.query_width(), k = c.key_width(), f = c.intermediate_size;
    normed = arena.template take<T>(tokens * d);
    gathered = arena.template take<T>(rows * d);
    projected = arena.template take<T>(rows * d);
    hidden = arena.template take<T>(rows * f);
    if (training) {
      d_hidden = arena.template take<T>(rows * f);
      d_gate = arena.template take<T>(rows * f);
      d_normed = arena.template take<T>(tokens * d);
      d_query = arena.template take<T>(rows * q);
      d_attended = arena.template take<T>(rows * q);
      d_key = arena.template take<T>(tokens * k);
      d_value = arena.template take<T>(tokens * k);
      terms = arena.template take<T>(tokens * (d > q ? d : q));
      ones = arena.template take<T>(tokens * (c.qk_norm ? c.num_attention_heads : 1));
    }
    team.per_team = padded_bytes(attention_scratch(longest, training), static_cast<index>(sizeof(T))) / static_cast<index>(sizeof(T));
    team.data = arena.template take<T>(team.per_team * teams);
  }
};

/// Where the tokens of one call lie.
template <class T> struct layer_extent {
  index tokens = 0, rows = 0;
  const std::int32_t* row_token = nullptr;       // [rows] the token of each row; null where rows are all tokens
  const std::int32_t* token_position = nullptr;  // [tokens]
  const T* rope = nullptr;                       // rope_table
  attention_plan plan;                           // of the rows
};

/// Keys and values of earlier tokens, which new ones join at cache_row; null pointers where a call sees all its tokens.
template <class T> struct layer_cache {
  T* key = nullptr;  // [capacity, k]
  T* value = nullptr;
  index capacity = 0;
  const std::int32_t* cache_row = nullptr;  // [tokens]
};

template <backend B>
attention_arguments<typename B::scalar> attention_of(const model_config& c, const layer_extent<typename B::scalar>& e,
                                                     const layer_activations<typename B::scalar>& a,
                                                     const layer_cache<typename B::scalar>& cache) {
  using T = typename B::scalar;
  const T* const key = cache.key != nullptr ? cache.key : a.key;
  const T* const value = cache.key != nullptr ? cache.value : a.value;
  const index keys = cache.key != nullptr ? cache.capacity : e.tokens;
  return {e.plan,
          matrix_of<const T>(a.query, e.rows, c.query_width()),
          matrix_of(key, keys, c.key_width()),
          matrix_of(value, keys, c.key_width()),
          c.num_attention_heads,
          c.num_key_value_heads,
          c.head_dim,
          static_cast<T>(1 / std::sqrt(static_cast<double>(c.head_dim)))};
}

/// y [rows, d] from a.input; fills a.
template <backend B>
void layer_forward(B& b, const model_config& c, const layer_weights<const typename B::scalar>& w, const layer_extent<typename B::scalar>& e,
                   layer_activations<typename B::scalar>& a, layer_scratch<typename B::scalar>& s, const layer_cache<typename B::scalar>& cache,
                   typename B::scalar* y) {
  using T = typename B::scalar;
  const index d = c.hidden_size, f = c.intermediate_size, n = e.tokens, rows = e.rows;
  const T epsilon = static_cast<T>(c.norm_epsilon);
  const matrix_view<T> x = matrix_of(a.input, n, d), normed = matrix_of(s.normed, n, d);
  const matrix_view<T> query = matrix_of(a.query, rows, c.query_width()), key = matrix_of(a.key, n, c.key_width());
  const matrix_view<T> value = matrix_of(a.value, n, c.key_width()), attended = matrix_of(a.attended, rows, c.query_width());
  const matrix_view<T> middle = matrix_of(a.middle, rows, d), projected = matrix_of(s.projected, rows, d);

  norm_forward(b, x, w.attention_norm.weight, w.attention_norm.bias, epsilon, normed, a.input_statistics);
  matrix_view<T> query_input = normed;
  if (e.row_token != nullptr) {
    query_input = matrix_of(s.gathered, rows, d);
    gather_rows(b, normed, e.row_token, query_input);
  }
  if (c.qk_norm) {  // Qwen3: each head's query and key are rows of their own
    const index h = c.head_dim;
    linear_forward(b, query_input, w.query, matrix_of(a.raw_query, rows, c.query_width()));
    linear_forward(b, normed, w.key, matrix_of(a.raw_key, n, c.key_width()));
    norm_forward<B>(b, matrix_of(a.raw_query, rows * c.num_attention_heads, h), w.query_norm.weight, nullptr, epsilon,
                    matrix_of(a.query, rows * c.num_attention_heads, h), a.query_statistics);
    norm_forward<B>(b, matrix_of(a.raw_key, n * c.num_key_value_heads, h), w.key_norm.weight, nullptr, epsilon,
                    matrix_of(a.key, n * c.num_key_value_heads, h), a.key_statistics);
  } else {
    linear_forward(b, query_input, w.query, query);
    linear_forward(b, normed, w.key, key);
  }
  linear_forward(b, normed, w.value, value);
  if (c.rope != rope_kind::none) {
    rotate(b, query, e.rope, e.plan.query_position, c.head_dim, false);
    rotate(b, key, e.rope, e.token_position, c.head_dim, false);
  }
  if (cache.key != nullptr) {
    scatter_rows(b, key, cache.cache_row, matrix_of(cache.key, cache.capacity, c.key_width()), false);
    scatter_rows(b, value, cache.cache_row, matrix_of(cache.value, cache.capacity, c.key_width()), false);
  }
  attention_forward(b, attention_of<B>(c, e, a, cache), attended, s.team);

  linear_forward(b, attended, w.output, projected);
  if (e.row_token != nullptr) {
    gather_rows(b, x, e.row_token, middle);
    add(b, a.middle, s.projected, a.middle, rows * d);
  } else {
    add(b, a.input, s.projected, a.middle, rows * d);
  }
  const matrix_view<T> normed_middle = matrix_of(s.normed, rows, d);
  norm_forward(b, middle, w.feed_forward_norm.weight, w.feed_forward_norm.bias, epsilon, normed_middle, a.middle_statistics);
  if (a.gate != nullptr) linear_forward(b, normed_middle, w.gate, matrix_of(a.gate, rows, f));
  linear_forward(b, normed_middle, w.up, matrix_of(a.up, rows, f));
  activate(b, c.feed_forward, a.gate, a.up, s.hidden, rows * f);
  linear_forward(b, matrix_of(s.hidden, rows, f), w.down, projected);
  add(b, a.middle, s.projected, y, rows * d);
}

/// dy [rows, d] is the gradient of the output on entry and of the middle on return; dx [tokens, d] becomes the gradient of the input
/// (dx may be dy where rows are all tokens). Weights' gradients accumulate. Normalised rows and the activation are computed again.
template <backend B>
void layer_backward(B& b, const model_config& c, const layer_weights<const typename B::scalar>& w, const layer_extent<typename B::scalar>& e,
                    const layer_activations<typename B::scalar>& a, layer_scratch<typename B::scalar>& s,
                    const layer_weights<typename B::scalar>& g, typename B::scalar* dy, typename B::scalar* dx) {
  using T = typename B::scalar;
  const index d = c.hidden_size, f = c.intermediate_size, n = e.tokens, rows = e.rows, q = c.query_width(), k = c.key_width();
  const T epsilon = static_cast<T>(c.norm_epsilon), zero = constant<T>(0);
  const matrix_view<T> d_y = matrix_of(dy, rows, d), middle = matrix_of(a.middle, rows, d);

  // y = m + down(activation(gate(m̂), up(m̂)))
  const matrix_view<T> normed_middle = matrix_of(s.normed, rows, d), d_normed_middle = matrix_of(s.d_normed, rows, d);
  norm_forward(b, middle, w.feed_forward_norm.weight, w.feed_forward_norm.bias, epsilon, normed_middle, a.middle_statistics);
  activate(b, c.feed_forward, a.gate, a.up, s.hidden, rows * f);
  linear_backward_weights(b, matrix_of(s.hidden, rows, f), d_y, g.down, s.ones);
  linear_backward_input(b, d_y, w.down, matrix_of(s.d_hidden, rows, f), false);
  activate_backward(b, c.feed_forward, a.gate, a.up, s.d_hidden, s.d_gate, s.d_hidden, rows * f);
  linear_backward_weights(b, normed_middle, matrix_of(s.d_hidden, rows, f), g.up, s.ones);
  linear_backward_input(b, matrix_of(s.d_hidden, rows, f), w.up, d_normed_middle, false);
  if (a.gate != nullptr) {
    linear_backward_weights(b, normed_middle, matrix_of(s.d_gate, rows, f), g.gate, s.ones);
    linear_backward_input(b, matrix_of(s.d_gate, rows, f), w.gate, d_normed_middle, true);
  }
  norm_backward(b, middle, w.feed_forward_norm.weight, a.middle_statistics, d_normed_middle, d_y, true, g.feed_forward_norm.weight,
                g.feed_forward_norm.bias, matrix_of(s.terms, rows, d), s.ones);

  // m = x + output(attention(query(x̂), key(x̂), value(x̂)))
  linear_backward_weights(b, matrix_of(a.attended, rows, q), d_y, g.output, s.ones);
  linear_backward_input(b, d_y, w.output, matrix_of(s.d_attended, rows, q), false);
  const matrix_view<T> d_query = matrix_of(s.d_query, rows, q), d_key = matrix_of(s.d_key, n, k), d_value = matrix_of(s.d_value, n, k);
  fill(b, s.d_key, n * k, zero);
  fill(b, s.d_value, n * k, zero);
  attention_backward(b, attention_of<B>(c, e, a, {}), matrix_of<const T>(s.d_attended, rows, q), d_query, d_key, d_value, s.team);
  if (c.rope != rope_kind::none) {
    rotate(b, d_query, e.rope, e.plan.query_position, c.head_dim, true);
    rotate(b, d_key, e.rope, e.token_position, c.head_dim, true);
  }
  if (c.qk_norm) {
    const index h = c.head_dim, query_rows = rows * c.num_attention_heads, key_rows = n * c.num_key_value_heads;
    norm_backward<B>(b, matrix_of(a.raw_query, query_rows, h), w.query_norm.weight, a.query_statistics, matrix_of(s.d_query, query_rows, h),
                     matrix_of(s.d_query, query_rows, h), false, g.query_norm.weight, nullptr, matrix_of(s.terms, query_rows, h), s.ones);
    norm_backward<B>(b, matrix_of(a.raw_key, key_rows, h), w.key_norm.weight, a.key_statistics, matrix_of(s.d_key, key_rows, h),
                     matrix_of(s.d_key, key_rows, h), false, g.key_norm.weight, nullptr, matrix_of(s.terms, key_rows, h), s.ones);
  }
  const matrix_view<T> x = matrix_of(a.input, n, d), normed = matrix_of(s.normed, n, d), d_normed = matrix_of(s.d_normed, n, d);
  norm_forward(b, x, w.attention_norm.weight, w.attention_norm.bias, epsilon, normed, a.input_statistics);
  linear_backward_weights(b, normed, d_key, g.key, s.ones);
  linear_backward_weights(b, normed, d_value, g.value, s.ones);
  linear_backward_input(b, d_key, w.key, d_normed, false);
  linear_backward_input(b, d_value, w.value, d_normed, true);
  if (e.row_token != nullptr) {
    const matrix_view<T> gathered = matrix_of(s.gathered, rows, d), projected = matrix_of(s.projected, rows, d);
    gather_rows(b, normed, e.row_token, gathered);
    linear_backward_weights(b, gathered, d_query, g.query, s.ones);
    linear_backward_input(b, d_query, w.query, projected, false);
    scatter_rows(b, projected, e.row_token, d_normed, true);
    fill(b, dx, n * d, zero);
    scatter_rows(b, d_y, e.row_token, matrix_of(dx, n, d), false);
  } else {
    linear_backward_weights(b, normed, d_query, g.query, s.ones);
    linear_backward_input(b, d_query, w.query, d_normed, true);
  }
  norm_backward(b, x, w.attention_norm.weight, a.input_statistics, d_normed, matrix_of(dx, n, d), true, g.attention_norm.weight,
                g.attention_norm.bias, matrix_of(s.terms, n, d), s.ones);
}

}  // namespace tilt::detail
