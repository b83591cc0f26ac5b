// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/tree_layout.hpp>

namespace tilt::detail {

// The vocabulary head on rows h of hidden states: z = h·Eᵀ, log π(v) = z_v − log Σ_u exp z_u. The vocabulary is walked in pieces, all rows at
// once, so that no [rows × V] array exists unless it fits a stated budget. A row may be the source of several targets (a prompt's last token
// predicts the first token of every response); its logits are computed once. Backward, with c_t = dL/dlogp_t and c = Σ_t c_t over the row's
// targets:
//   dz_v = Σ_{t: label_t = v} c_t − c·exp(z_v − lse),   dh = dz·E,   dE += dzᵀ·h.
// An entropy H = −Σ_v π_v log π_v with coefficient e adds −e·π_v·(log π_v + H) to dz_v, log π_v = z_v − lse.
// Sums over the vocabulary are taken in tiles of a fixed width, with their own largest logit each, and then over the tiles in order: their bits
// depend neither on the pieces nor on the rows. dh is one chain over the vocabulary, whatever the pieces.

/// Columns of logits whose sums are taken together.
inline constexpr index head_tile = 1024;
TILT_HD inline constexpr index head_tiles(index vocabulary) { return (vocabulary + head_tile - 1) / head_tile; }

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

/// Of every tile of every row, with m the tile's largest logit: m, Σ exp(z − m), Σ exp(z − m)(z − m), Σ z, Σ exp(z − m)².
template <class T> struct tile_sums {
  T* data = nullptr;  // [rows, 5, tiles]
  index tiles = 0;

  enum entry : int { largest, total, moment, sum, squares, entries };
  static index size(index rows, index vocabulary) { return rows * entries * head_tiles(vocabulary); }
  TILT_HD T* of(index row, entry e) const { return data + (row * entries + e) * tiles; }
};

/// Scratch elements that a team of the two programs below needs.
TILT_HD inline constexpr index head_scratch(index vocabulary) { return head_tiles(vocabulary) > head_tile ? head_tiles(vocabulary) : head_tile; }

/// The sums of one tile of one row; job = row·(tiles of the piece) + tile. Leaves the labels' logits in out.logps.
template <class T> struct head_tile_program {
  matrix_view<const T> logits;  // of the tokens first, first + 1, …
  index first;                  // a multiple of head_tile
  row_targets targets;
  tile_sums<T> sums;
  head_outputs<T> out;

  template <class Team> TILT_HD void operator()(const Team& team, index job) const {
    using std::exp;
    const index pieces = head_tiles(logits.extent[1]), row = job / pieces, begin = job % pieces * head_tile;
    const index left = logits.extent[1] - begin, n = left < head_tile ? left : head_tile;
    const T* const z = logits.data + row * logits.stride[0] + begin;
    T* const kept = team.scratch();
    const T largest = team.max(n, [=](const auto& lane, index i) { return lane.load(z, i); });
    const T total = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(z, i));
      const number e = exp(lane.load(z, i) - number(largest));
      lane.store(kept, i, e);
      return e;
    });
    const T moment = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(z, i));
      return lane.load(kept, i) * (lane.load(z, i) - number(largest));
    });
    const T sum = team.sum(n, [=](const auto& lane, index i) { return lane.load(z, i); });
    T squares = constant<T>(0);
    if (out.log_squares != nullptr) squares = team.sum(n, [=](const auto& lane, index i) { return lane.load(kept, i) * lane.load(kept, i); });
    const head_tile_program self = *this;
    team.once([=] {
      using s = tile_sums<T>;
      const index tile = (self.first + begin) / head_tile;
      self.sums.of(row, s::largest)[tile] = largest;
      self.sums.of(row, s::total)[tile] = total;
      self.sums.of(row, s::moment)[tile] = moment;
      self.sums.of(row, s::sum)[tile] = sum;
      self.sums.of(row, s::squares)[tile] = squares;
      for (index t = self.targets.begin[row]; t < self.targets.begin[row + 1]; ++t) {
        const index at = self.targets.label[t] - self.first - begin;
        if (at >= 0 && at < n) self.out.logps[self.targets.item[t]] = z[at];
      }
    });
  }
};

/// From the sums of a row's tiles to what is reported of its targets.
template <class T> struct head_row_program {
  tile_sums<T> sums;
  index vocabulary;
  row_targets targets;
  T* normalizer;  // log Σ exp z of every row
  head_outputs<T> out;

  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    using std::exp;
    using std::log;
    using s = tile_sums<T>;
    const index n = sums.tiles;
    const T *const peaks = sums.of(row, s::largest), *const totals = sums.of(row, s::total), *const moments = sums.of(row, s::moment);
    const T *const plain = sums.of(row, s::sum), *const seconds = sums.of(row, s::squares);
    T* const weights = team.scratch();
    const T largest = team.max(n, [=](const auto& lane, index i) { return lane.load(peaks, i); });
    const T total = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(peaks, i));
      const number weight = exp(lane.load(peaks, i) - number(largest));
      lane.store(weights, i, weight);
      return weight * lane.load(totals, i);
    });
    const T moment = team.sum(n, [=](const auto& lane, index i) {
      using number = decltype(lane.load(peaks, i));
      return lane.load(weights, i) * (lane.load(moments, i) + (lane.load(peaks, i) - number(largest)) * lane.load(totals, i));
    });
    const T sum = team.sum(n, [=](const auto& lane, index i) { return lane.load(plain, i); });
    T squares = constant<T>(1);
    if (out.log_squares != nullptr)
      squares = team.sum(n, [=](const auto& lane, index i) { return lane.load(weights, i) * lane.load(weights, i) * lane.load(seconds, i); });
    const T log_total = log(total);
    const head_row_program self = *this;
    team.once([=] {
      self.normalizer[row] = largest + log_total;
      for (index t = self.targets.begin[row]; t < self.targets.begin[row + 1]; ++t) {
        const index item = self.targets.item[t];
        const T logit = self.out.logps[item];
        self.out.logps[item] = (logit - largest) - log_total;
        self.out.entropies[item] = log_total - moment / total;
        self.out.mean_logits[item] = sum / static_cast<T>(self.vocabulary);
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
  matrix_view<T> logits;  // of the tokens first, first + 1, …: z on entry, dz on return
  index first;
  row_targets targets;
  const T* normalizer;
  head_slopes<T> d;

  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    const index n = logits.extent[1];
    T* const z = logits.data + row * logits.stride[0];
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
        const index at = self.targets.label[t] - self.first;
        if (at >= 0 && at < n) z[at] = z[at] + self.d.logps[self.targets.item[t]];
      }
    });
  }
};

/// Logits that are alive at once: the first `kept_columns` of all rows stay from forward to backward, the others pass through a chunk.
template <class T> struct head_memory {
  T* kept = nullptr;   // [kept_columns, rows], a piece after the other
  T* chunk = nullptr;  // [piece_columns, rows]
  index kept_columns = 0, piece_columns = 0;  // multiples of head_tile, or all of the vocabulary
  tile_sums<T> sums;
  team_scratch<T> team;  // head_scratch elements each
};

/// Runs `work(first, logits, kept)` over the vocabulary in order, in pieces [rows, ≤ piece_columns] that lie wholly in kept memory or in the chunk.
template <class T, class Work> void for_each_piece(const head_memory<T>& memory, index rows, index vocabulary, const Work& work) {
  for (index first = 0; first < vocabulary;) {
    const bool kept = first < memory.kept_columns;
    const index left = (kept ? memory.kept_columns : vocabulary) - first, count = left < memory.piece_columns ? left : memory.piece_columns;
    work(first, matrix_of(kept ? memory.kept + first * rows : memory.chunk, rows, count), kept);
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

/// What is said of targets, from logits [rows, V] that are all there.
template <backend B>
void head_outputs_of(B& b, matrix_view<const typename B::scalar> logits, const row_targets& targets, const head_memory<typename B::scalar>& memory,
                     typename B::scalar* normalizer, const head_outputs<typename B::scalar>& out) {
  using T = typename B::scalar;
  const index rows = logits.extent[0], vocabulary = logits.extent[1];
  b.rows(rows * memory.sums.tiles, head_tile_program<T>{logits, 0, targets, memory.sums, out}, memory.team);
  b.rows(rows, head_row_program<T>{memory.sums, vocabulary, targets, normalizer, out}, memory.team);
}

template <backend B> void head_forward(B& b, const head_arguments<typename B::scalar>& a, const head_outputs<typename B::scalar>& out) {
  using T = typename B::scalar;
  if constexpr (require_whole_head<B>::value) return b.head_forward(a, out);
  const index rows = a.hidden.extent[0], vocabulary = a.embedding.extent[0];
  for_each_piece(a.memory, rows, vocabulary, [&](index first, matrix_view<T> logits, bool) {
    b.gemm(a.hidden, transposed(row_range(a.embedding, first, logits.extent[1])), logits, false);
    b.rows(rows * head_tiles(logits.extent[1]), head_tile_program<T>{logits, first, a.targets, a.memory.sums, out}, a.memory.team);
  });
  b.rows(rows, head_row_program<T>{a.memory.sums, vocabulary, a.targets, a.normalizer, out}, a.memory.team);
}

/// d_hidden is assigned; d_embedding accumulates. Kept logits are used up.
template <backend B>
void head_backward(B& b, const head_arguments<typename B::scalar>& a, const head_slopes<typename B::scalar>& slopes,
                   matrix_view<typename B::scalar> d_hidden, matrix_view<typename B::scalar> d_embedding) {
  using T = typename B::scalar;
  if constexpr (require_whole_head<B>::value) return b.head_backward(a, slopes, d_hidden, d_embedding);
  const index rows = a.hidden.extent[0];
  for_each_piece(a.memory, rows, a.embedding.extent[0], [&](index first, matrix_view<T> logits, bool kept) {
    const matrix_view<const T> embedding = row_range(a.embedding, first, logits.extent[1]);
    if (!kept) b.gemm(a.hidden, transposed(embedding), logits, false);
    b.rows(rows, head_backward_program<T>{logits, first, a.targets, a.normalizer, slopes}, {});
    b.gemm(logits, embedding, d_hidden, first > 0);
    b.gemm(transposed(matrix_view<const T>(logits)), a.hidden, row_range(d_embedding, first, logits.extent[1]), true);
  });
}

}  // namespace tilt::detail
