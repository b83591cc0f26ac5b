// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/tree_layout.hpp>

namespace tilt::detail {

// The vocabulary head on rows h of hidden states: z = h·Eᵀ, log π(v) = z_v − log Σ_u exp z_u. No [rows × V] array outlives a chunk of
// rows unless it fits a stated budget. A row may be the source of several targets (a prompt's last token predicts the first token of
// every response); its logits are computed once. Backward, with c_t = dL/dlogp_t and c = Σ_t c_t over the row's targets:
//   dz_v = Σ_{t: label_t = v} c_t − c·exp(z_v − lse),   dh = dz·E,   dE += dzᵀ·h.
// An entropy H = −Σ_v π_v log π_v with coefficient e adds −e·π_v·(log π_v + H) to dz_v, log π_v = z_v − lse.

/// What is reported of every target; each an array over targets in the caller's order.
template <class T> struct head_outputs {
  T* logps;        ///< log π(label)
  T* entropies;    ///< −Σ_v π(v) log π(v), nats
  T* mean_logits;  ///< mean of z over the vocabulary
  T* top1;         ///< 1 where the label has the largest logit
  T* log_squares = nullptr;  ///< log Σ_v π(v)²; not computed where null
};

/// Targets of each row: row r owns target item[begin[r], begin[r+1]) with their labels.
struct row_targets {
  const std::int32_t* begin;
  const std::int32_t* item;
  const std::int32_t* label;
};

template <class T> struct head_forward_program {
  matrix_view<const T> logits;  // of rows first, first + 1, …
  index first;
  row_targets targets;
  T* normalizer;  // log Σ exp z of every row
  head_outputs<T> out;

  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    using std::exp;
    using std::log;
    const index n = logits.extent[1], row = first + r;
    const T* const z = logits.data + r * logits.stride[0];
    const T largest = team.max(n, [=](const auto& lane, index i) { return lane.load(z, i); });
    const T total = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(z, i));
      return exp(lane.load(z, i) - number(largest));
    });
    const T moment = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(z, i));
      const number below = lane.load(z, i) - number(largest);
      return exp(below) * below;
    });
    const T sum = team.sum(n, [=](const auto& lane, index i) { return lane.load(z, i); });
    const T log_total = log(total);
    T squares = constant<T>(1);
    if (out.log_squares != nullptr)
      squares = team.sum(n, [=](const auto& lane, index i) {
        using number = decltype(lane.load(z, i));
        const number below = lane.load(z, i) - number(largest);
        return exp(below + below);
      });
    const head_forward_program self = *this;
    team.once([=] {
      self.normalizer[row] = largest + log_total;
      for (index t = self.targets.begin[row]; t < self.targets.begin[row + 1]; ++t) {
        const index item = self.targets.item[t];
        const T logit = z[self.targets.label[t]];
        self.out.logps[item] = (logit - largest) - log_total;
        self.out.entropies[item] = log_total - moment / total;
        self.out.mean_logits[item] = sum / static_cast<T>(n);
        self.out.top1[item] = select(logit < largest, constant<T>(0), constant<T>(1));
        if (self.out.log_squares != nullptr) self.out.log_squares[item] = log(squares) - (log_total + log_total);
      }
    });
  }
};

/// Derivatives of the loss that the head's backward starts from; each an array over targets in the caller's order.
template <class T> struct head_slopes {
  const T* logps;                ///< of log π(label)
  const T* entropies = nullptr;  ///< of H; null where nothing depends on it
  const T* entropy = nullptr;    ///< H itself, as forward gave it; read where `entropies` is not null
};

template <class T> struct head_backward_program {
  matrix_view<T> logits;  // z on entry, dz on return
  index first;
  row_targets targets;
  const T* normalizer;
  head_slopes<T> d;

  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    const index n = logits.extent[1], row = first + r;
    T* const z = logits.data + r * logits.stride[0];
    T coefficient = constant<T>(0);
    for (index t = targets.begin[row]; t < targets.begin[row + 1]; ++t) coefficient = coefficient + d.logps[targets.item[t]];
    const T log_sum = normalizer[row];
    if (d.entropies == nullptr) {
      team.each(n, [=](const auto& lane, index i) {
        using std::exp;
        using number = decltype(lane.load(z, i));
        lane.store(z, i, -(number(coefficient) * exp(lane.load(z, i) - number(log_sum))));
      });
    } else {
      T spread = constant<T>(0), entropy = constant<T>(0);
      for (index t = targets.begin[row]; t < targets.begin[row + 1]; ++t) {
        spread = spread + d.entropies[targets.item[t]];
        entropy = d.entropy[targets.item[t]];  // one for all targets of a row
      }
      team.each(n, [=](const auto& lane, index i) {
        using std::exp;
        using number = decltype(lane.load(z, i));
        const number logp = lane.load(z, i) - number(log_sum);
        lane.store(z, i, -((number(coefficient) + number(spread) * (logp + number(entropy))) * exp(logp)));
      });
    }
    const head_backward_program self = *this;
    team.once([=] {
      for (index t = self.targets.begin[row]; t < self.targets.begin[row + 1]; ++t) {
        T& slot = z[self.targets.label[t]];
        slot = slot + self.d.logps[self.targets.item[t]];
      }
    });
  }
};

/// Rows of logits that are alive at once: the first `kept_rows` stay from forward to backward, the others pass through a chunk.
template <class T> struct head_memory {
  T* kept = nullptr;   // [kept_rows, V]
  T* chunk = nullptr;  // [chunk_rows, V]
  index kept_rows = 0, chunk_rows = 0;
};

/// Runs `work(first, count, logits, kept)` over the rows in order, in pieces that lie wholly in kept memory or in the chunk.
template <class T, class Work> void for_each_chunk(const head_memory<T>& memory, index rows, index vocabulary, const Work& work) {
  for (index first = 0; first < rows;) {
    const bool kept = first < memory.kept_rows;
    const index limit = kept ? memory.kept_rows - first : memory.chunk_rows;
    index count = limit < rows - first ? limit : rows - first;
    if (kept && memory.chunk_rows > 0 && memory.chunk_rows < count) count = memory.chunk_rows;  // stays in cache either way
    T* const data = kept ? memory.kept + first * vocabulary : memory.chunk;
    work(first, count, matrix_of(data, count, vocabulary), kept);
    first += count;
  }
}

template <class T> struct head_arguments {
  matrix_view<const T> hidden;     // [rows, d]
  matrix_view<const T> embedding;  // [V, d]
  row_targets targets;
  T* normalizer;  // [rows]
  head_memory<T> memory;
};

}  // namespace tilt::detail

namespace tilt {

template <class B>
concept reads_head_forward =
    requires(B& b, const detail::head_arguments<typename B::scalar>& a, const detail::head_outputs<typename B::scalar>& out) { b.head_forward(a, out); };
template <class B>
concept reads_head_backward = requires(B& b, const detail::head_arguments<typename B::scalar>& a, const detail::head_slopes<typename B::scalar>& slopes,
                                       matrix_view<typename B::scalar> d) { b.head_backward(a, slopes, d, d); };
/// A backend with a vocabulary head of its own: members head_forward and head_backward that take what the functions below take after
/// the backend, and do what they do; whether they use the memory that is given for logits is theirs. Found at compile time.
template <class B>
concept fuses_head = reads_head_forward<B> && reads_head_backward<B>;

}  // namespace tilt

namespace tilt::detail {

template <class B> struct require_whole_head {
  static_assert(reads_head_forward<B> == reads_head_backward<B>,
                "a backend that fuses the vocabulary head needs both head_forward(a, out) and head_backward(a, slopes, d_hidden, d_embedding) "
                "(docs/backends.md, Fast paths)");
  static constexpr bool value = fuses_head<B>;
};

template <backend B> void head_forward(B& b, const head_arguments<typename B::scalar>& a, const head_outputs<typename B::scalar>& out) {
  using T = typename B::scalar;
  if constexpr (require_whole_head<B>::value) return b.head_forward(a, out);
  for_each_chunk(a.memory, a.hidden.extent[0], a.embedding.extent[0], [&](index first, index count, matrix_view<T> logits, bool) {
    b.gemm(row_range(a.hidden, first, count), transposed(a.embedding), logits, false);
    b.rows(count, head_forward_program<T>{logits, first, a.targets, a.normalizer, out}, {});
  });
}

/// d_hidden is assigned; d_embedding accumulates. Kept logits are used up.
template <backend B>
void head_backward(B& b, const head_arguments<typename B::scalar>& a, const head_slopes<typename B::scalar>& slopes,
                   matrix_view<typename B::scalar> d_hidden, matrix_view<typename B::scalar> d_embedding) {
  using T = typename B::scalar;
  if constexpr (require_whole_head<B>::value) return b.head_backward(a, slopes, d_hidden, d_embedding);
  for_each_chunk(a.memory, a.hidden.extent[0], a.embedding.extent[0], [&](index first, index count, matrix_view<T> logits, bool kept) {
    if (!kept) b.gemm(row_range(a.hidden, first, count), transposed(a.embedding), logits, false);
    b.rows(count, head_backward_program<T>{logits, first, a.targets, a.normalizer, slopes}, {});
    b.gemm(logits, a.embedding, row_range(d_hidden, first, count), false);
    b.gemm(transposed(matrix_view<const T>(logits)), row_range(a.hidden, first, count), d_embedding, true);
  });
}

}  // namespace tilt::detail
