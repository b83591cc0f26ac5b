// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/scalar/config.hpp>
#include <type_traits>

namespace tilt {

/// Extents of an array of Rank dimensions.
template <int Rank> using shape = std::array<index, Rank>;

/// A non-owning, strided window on elements that a backend owns; trivially copyable, so that it may cross a kernel launch.
/// Element (i, j, …) lies at data + i·stride[0] + j·stride[1] + …; strides count elements. The pointer may be a device's.
template <class T, int Rank> struct view {
  using element = T;
  static constexpr int rank = Rank;

  T* data = nullptr;
  index extent[Rank] = {};
  index stride[Rank] = {};

  TILT_HD constexpr index size() const {
    index n = 1;
    for (int d = 0; d < Rank; ++d) n *= extent[d];
    return n;
  }
  /// A window on the same elements that does not write them. A template, since nvcc warns of a conversion to the class's own type.
  template <class U>
  requires(!std::is_const_v<T> && std::is_same_v<U, const T>)
  TILT_HD constexpr operator view<U, Rank>() const {
    view<U, Rank> v;
    v.data = data;
    for (int d = 0; d < Rank; ++d) v.extent[d] = extent[d], v.stride[d] = stride[d];
    return v;
  }
  template <class... Index> TILT_HD constexpr T& operator()(Index... at) const {
    static_assert(sizeof...(Index) == Rank, "a view takes as many indices as it has dimensions");
    const index position[Rank] = {static_cast<index>(at)...};
    index offset = 0;
    for (int d = 0; d < Rank; ++d) offset += position[d] * stride[d];
    return data[offset];
  }
};

template <class T> using vector_view = view<T, 1>;
template <class T> using matrix_view = view<T, 2>;

/// n elements, one after the other.
template <class T> TILT_HD constexpr vector_view<T> vector_of(T* data, index n) { return {data, {n}, {1}}; }

/// Row-major rows × columns; rows may be farther apart than they are long.
template <class T> TILT_HD constexpr matrix_view<T> matrix_of(T* data, index rows, index columns, index row_stride) {
  return {data, {rows, columns}, {row_stride, 1}};
}
template <class T> TILT_HD constexpr matrix_view<T> matrix_of(T* data, index rows, index columns) {
  return matrix_of(data, rows, columns, columns);
}

/// The same elements with rows and columns exchanged.
template <class T> TILT_HD constexpr matrix_view<T> transposed(const matrix_view<T>& m) {
  return {m.data, {m.extent[1], m.extent[0]}, {m.stride[1], m.stride[0]}};
}

/// Rows [begin, begin + count).
template <class T> TILT_HD constexpr matrix_view<T> row_range(const matrix_view<T>& m, index begin, index count) {
  return {m.data + begin * m.stride[0], {count, m.extent[1]}, {m.stride[0], m.stride[1]}};
}

/// Columns [begin, begin + count).
template <class T> TILT_HD constexpr matrix_view<T> column_range(const matrix_view<T>& m, index begin, index count) {
  return {m.data + begin * m.stride[1], {m.extent[0], count}, {m.stride[0], m.stride[1]}};
}

}  // namespace tilt
