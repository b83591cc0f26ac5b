// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/backend.hpp>

namespace tilt {

namespace detail {

template <class T> struct fill_body {
  T* to;
  T value;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(to, i, typename Lane::number(value));
  }
};

template <class T> struct copy_body {
  const T* from;
  T* to;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(to, i, lane.load(from, i));
  }
};

template <class T> struct add_body {
  const T* a;
  const T* b;
  T* sum;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(sum, i, lane.load(a, i) + lane.load(b, i));
  }
};

template <class T> struct gather_program {
  matrix_view<const T> from;
  const std::int32_t* rows;
  matrix_view<T> to;
  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    const T* const source = from.data + rows[r] * from.stride[0];
    T* const sink = to.data + r * to.stride[0];
    team.each(to.extent[1], [=](const auto& lane, index i) { lane.store(sink, i, lane.load(source, i)); });
  }
};

template <class T> struct scatter_program {
  matrix_view<const T> from;
  const std::int32_t* rows;
  matrix_view<T> to;
  bool accumulate;
  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    const T* const source = from.data + r * from.stride[0];
    T* const sink = to.data + rows[r] * to.stride[0];
    if (accumulate) team.each(to.extent[1], [=](const auto& lane, index i) { lane.store(sink, i, lane.load(sink, i) + lane.load(source, i)); });
    else team.each(to.extent[1], [=](const auto& lane, index i) { lane.store(sink, i, lane.load(source, i)); });
  }
};

template <class T> struct add_row_program {
  const T* row;
  matrix_view<T> to;
  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    T* const sink = to.data + r * to.stride[0];
    const T* const source = row;
    team.each(to.extent[1], [=](const auto& lane, index i) { lane.store(sink, i, lane.load(sink, i) + lane.load(source, i)); });
  }
};

}  // namespace detail

/// to[i] = value for i in [0, n).
template <backend B> void fill(B& b, typename B::scalar* to, index n, typename B::scalar value) {
  b.map(n, detail::fill_body<typename B::scalar>{to, value});
}

/// to[i] = from[i] for i in [0, n).
template <backend B> void copy(B& b, const typename B::scalar* from, typename B::scalar* to, index n) {
  b.map(n, detail::copy_body<typename B::scalar>{from, to});
}

/// sum[i] = a[i] + b[i]; sum may be a or b.
template <backend B> void add(B& b, const typename B::scalar* a, const typename B::scalar* c, typename B::scalar* sum, index n) {
  b.map(n, detail::add_body<typename B::scalar>{a, c, sum});
}

/// to[r] = from[rows[r]] for each row of `to`; columns are contiguous.
template <backend B>
void gather_rows(B& b, matrix_view<const typename B::scalar> from, const std::int32_t* rows, matrix_view<typename B::scalar> to) {
  b.rows(to.extent[0], detail::gather_program<typename B::scalar>{from, rows, to}, {});
}

/// to[rows[r]] = from[r], or += from[r], for each row of `from`; the rows are distinct.
template <backend B>
void scatter_rows(B& b, matrix_view<const typename B::scalar> from, const std::int32_t* rows, matrix_view<typename B::scalar> to,
                  bool accumulate) {
  b.rows(from.extent[0], detail::scatter_program<typename B::scalar>{from, rows, to, accumulate}, {});
}

/// to[r] += row for each row of `to`.
template <backend B> void add_to_rows(B& b, const typename B::scalar* row, matrix_view<typename B::scalar> to) {
  b.rows(to.extent[0], detail::add_row_program<typename B::scalar>{row, to}, {});
}

/// sum[j] += Σ_r m(r, j), rows in order; `ones` holds at least as many ones as m has rows. A product, so that it needs no primitive
/// of its own and keeps the order of summation.
template <backend B>
void add_column_sums(B& b, matrix_view<const typename B::scalar> m, const typename B::scalar* ones, typename B::scalar* sum) {
  b.gemm(matrix_of(ones, 1, m.extent[0]), m, matrix_of(sum, 1, m.extent[1]), true);
}

}  // namespace tilt
