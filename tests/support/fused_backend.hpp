// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <limits>
#include <tilt/model/attention.hpp>
#include <tilt/model/head.hpp>
#include <tilt/optim/adamw.hpp>
#include <tilt/tensor/reference.hpp>

namespace tilt::test {

/// The reference backend with every fast path that a composite looks for, each in another way than the composite's, and counted.
template <class T> class fused_backend : public reference_backend<T> {
 public:
  struct {
    int attention_forward = 0, attention_backward = 0, head_forward = 0, head_backward = 0, adamw_update = 0;
  } calls;

  /// One walk over a query's keys with a running maximum (Milakov & Gimelshein 2018, arXiv 1805.02867); no scores are kept. The order
  /// is the path's, whatever its segments, so a sequence's bits are its own.
  void attention_forward(const detail::attention_arguments<T>& a, matrix_view<T> out, team_scratch<T>) {
    ++calls.attention_forward;
    each_query(a, [&](index tile, index row, index head) {
      T largest = -std::numeric_limits<T>::infinity(), total = 0;
      for (index i = 0; i < a.head_dim; ++i) out(row, head * a.head_dim + i) = T(0);
      each_key(a, tile, row, [&](index key) {
        const T s = score(a, row, head, key), top = s > largest ? s : largest, shrink = std::exp(largest - top), e = std::exp(s - top);
        total = total * shrink + e;
        for (index i = 0; i < a.head_dim; ++i) {
          T& o = out(row, head * a.head_dim + i);
          o = o * shrink + e * a.value(key, column(a, head) + i);
        }
        largest = top;
      });
      for (index i = 0; i < a.head_dim; ++i) out(row, head * a.head_dim + i) /= total;
    });
  }

  /// Weights are computed again from the maximum and the total of a first walk; a second adds up Σ p dP, a third the gradients.
  void attention_backward(const detail::attention_arguments<T>& a, matrix_view<const T> d_out, matrix_view<T> d_query, matrix_view<T> d_key,
                          matrix_view<T> d_value, team_scratch<T>) {
    ++calls.attention_backward;
    each_query(a, [&](index tile, index row, index head) {
      T largest = -std::numeric_limits<T>::infinity(), total = 0, mean = 0;
      each_key(a, tile, row, [&](index key) { largest = std::max(largest, score(a, row, head, key)); });
      each_key(a, tile, row, [&](index key) { total += std::exp(score(a, row, head, key) - largest); });
      const auto weight = [&](index key) { return std::exp(score(a, row, head, key) - largest) / total; };
      const auto d_weight = [&](index key) {
        T sum = 0;
        for (index i = 0; i < a.head_dim; ++i) sum += d_out(row, head * a.head_dim + i) * a.value(key, column(a, head) + i);
        return sum;
      };
      each_key(a, tile, row, [&](index key) { mean += weight(key) * d_weight(key); });
      for (index i = 0; i < a.head_dim; ++i) d_query(row, head * a.head_dim + i) = T(0);
      each_key(a, tile, row, [&](index key) {
        const T p = weight(key), ds = p * (d_weight(key) - mean) * a.scale;
        for (index i = 0; i < a.head_dim; ++i) {
          const index own = head * a.head_dim + i, shared = column(a, head) + i;
          d_query(row, own) += ds * a.key(key, shared);
          d_key(key, shared) += ds * a.query(row, own);
          d_value(key, shared) += p * d_out(row, own);
        }
      });
    });
  }

  /// A logit is computed where it is needed and kept nowhere; the sums have the composite's order.
  void head_forward(const detail::head_arguments<T>& a, const detail::head_outputs<T>& out) {
    ++calls.head_forward;
    const index vocabulary = a.embedding.extent[0];
    for (index row = 0; row < a.hidden.extent[0]; ++row) {
      T largest = -std::numeric_limits<T>::infinity(), total = 0, moment = 0, sum = 0, squares = 0;
      for (index v = 0; v < vocabulary; ++v) largest = std::max(largest, logit(a, row, v));
      for (index first = 0; first < vocabulary; first += detail::head_tile) {
        const index end = std::min(vocabulary, first + detail::head_tile);
        T peak = -std::numeric_limits<T>::infinity(), tile_total = 0, tile_moment = 0, tile_sum = 0, tile_squares = 0;
        for (index v = first; v < end; ++v) peak = std::max(peak, logit(a, row, v));
        for (index v = first; v < end; ++v) {
          const T z = logit(a, row, v), e = std::exp(z - peak);
          tile_total += e, tile_moment += e * (z - peak), tile_sum += z, tile_squares += e * e;
        }
        const T weight = std::exp(peak - largest);
        total += weight * tile_total, moment += weight * (tile_moment + (peak - largest) * tile_total);
        sum += tile_sum, squares += weight * weight * tile_squares;
      }
      a.normalizer[row] = largest + std::log(total);
      for (index t = a.targets.begin[row]; t < a.targets.begin[row + 1]; ++t) {
        const index item = a.targets.item[t];
        const T z = logit(a, row, a.targets.label[t]);
        out.logps[item] = (z - largest) - std::log(total);
        out.entropies[item] = std::log(total) - moment / total;
        out.mean_logits[item] = sum / static_cast<T>(vocabulary);
        out.top1[item] = z < largest ? T(0) : T(1);
        if (out.log_squares != nullptr) out.log_squares[item] = std::log(squares) - 2 * std::log(total);
      }
    }
  }

  void head_backward(const detail::head_arguments<T>& a, const detail::head_slopes<T>& slopes, matrix_view<T> d_hidden,
                     matrix_view<T> d_embedding) {
    ++calls.head_backward;
    for (index row = 0; row < a.hidden.extent[0]; ++row) {
      for (index i = 0; i < d_hidden.extent[1]; ++i) d_hidden(row, i) = T(0);
      for (index v = 0; v < a.embedding.extent[0]; ++v) {
        T own = 0, all = 0, spread = 0, entropy = 0;
        for (index t = a.targets.begin[row]; t < a.targets.begin[row + 1]; ++t) {
          const T c = slopes.logps[a.targets.item[t]];
          all += c;
          if (slopes.entropies != nullptr) spread += slopes.entropies[a.targets.item[t]], entropy = slopes.entropy[a.targets.item[t]];
          if (a.targets.label[t] == v) own += c;
        }
        const T logp = logit(a, row, v) - a.normalizer[row];
        const T dz = own - (all + spread * (logp + entropy)) * std::exp(logp);
        for (index i = 0; i < d_hidden.extent[1]; ++i) {
          d_hidden(row, i) += dz * a.embedding(v, i);
          d_embedding(v, i) += dz * a.hidden(row, i);
        }
      }
    }
  }

  /// One walk over all parameters, decaying or not.
  void adamw_update(const adamw& o, const update_buffers<T>& u, double learning_rate, index count) {
    ++calls.adamw_update;
    if (!(u.control[detail::control_finite] > T(0))) return;
    const double t = static_cast<double>(count), first = 1 - std::pow(o.beta1, t), second = std::sqrt(1 - std::pow(o.beta2, t));
    for (index i = 0; i < u.size; ++i) {
      const double g = u.gradients[i] * u.control[detail::control_coefficient];
      const double m = o.beta1 * u.moments[i] + (1 - o.beta1) * g, v = o.beta2 * u.moments[u.size + i] + (1 - o.beta2) * g * g;
      const double kept = u.weights[i] * (i < u.decayed ? 1 - learning_rate * o.weight_decay : 1);
      u.moments[i] = static_cast<T>(m);
      u.moments[u.size + i] = static_cast<T>(v);
      u.weights[i] = static_cast<T>(kept - learning_rate / first * m / (std::sqrt(v) / second + o.epsilon));
    }
  }

 private:
  using arguments = detail::attention_arguments<T>;
  static index column(const arguments& a, index head) { return head / (a.heads / a.kv_heads) * a.head_dim; }
  static T score(const arguments& a, index row, index head, index key) {
    T sum = 0;
    for (index i = 0; i < a.head_dim; ++i) sum = multiply_add(a.query(row, head * a.head_dim + i), a.key(key, column(a, head) + i), sum);
    return sum * a.scale;
  }
  template <class Visit> static void each_query(const arguments& a, const Visit& visit) {
    for (index tile = 0; tile < a.plan.tiles; ++tile)
      for (index row = a.plan.tile_begin[tile]; row < a.plan.tile_begin[tile + 1]; ++row)
        for (index head = 0; head < a.heads; ++head) visit(tile, row, head);
  }
  /// The rows of K that a query sees, from the root on.
  template <class Visit> static void each_key(const arguments& a, index tile, index row, const Visit& visit) {
    const index visible = static_cast<index>(a.plan.query_position[row]) + 1;
    for (index s = 0; s < a.path_length(tile); ++s) {
      const auto at = a.path_step(tile, s, visible);
      for (index j = 0; j < at.count; ++j) visit(at.row + j);
    }
  }
  static T logit(const detail::head_arguments<T>& a, index row, index v) {
    T sum = 0;
    for (index i = 0; i < a.hidden.extent[1]; ++i) sum = multiply_add(a.hidden(row, i), a.embedding(v, i), sum);
    return sum;
  }
};

static_assert(fuses_attention<fused_backend<float>> && fuses_head<fused_backend<float>> && fuses_adamw<fused_backend<float>>);

}  // namespace tilt::test
