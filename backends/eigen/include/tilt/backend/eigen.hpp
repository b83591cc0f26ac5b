// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/backend/eigen_packet.hpp>
#include <tilt/tensor/packet_backend.hpp>

namespace tilt {

/// Instead of packed_product: Eigen's product, whose bits depend on the other rows (it changes its blocking, and its order of summation,
/// with the shape), and which allocates.
struct eigen_product {};

/// Runs on the CPU, on Eigen's SIMD packets; needs Eigen 3.4, headers only. Eigen's own threads are not used: with eigen_product, in a
/// program built with OpenMP, the constructor sets Eigen::setNbThreads(1).
template <class T, class Product = packed_product> class eigen_backend : public packet_backend<eigen_packet<T>> {
 public:
  static constexpr const char* name = "eigen";
  using packet_backend<eigen_packet<T>>::packet_backend;
};

template <class T> class eigen_backend<T, eigen_product> : public packet_backend<eigen_packet<T>> {
  using base = packet_backend<eigen_packet<T>>;

 public:
  static constexpr bool row_exact = false;
  static constexpr const char* name = "eigen, its own product";

  explicit eigen_backend(int threads = 0) : base(threads) { Eigen::setNbThreads(1); }

  void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    this->multiply_in_pieces(
        a, b, c, [accumulate](const auto& left, const auto& right, const auto& part) { multiply(left, right, part, accumulate); });
  }

 private:
  using row_major = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using column_major = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

  // Eigen chooses its kernel by type, so a stride of 1 has to be one.
  template <class Use> static void as_eigen(matrix_view<const T> m, const Use& use) {
    if (m.stride[1] == 1)
      use(Eigen::Map<const row_major, 0, Eigen::OuterStride<>>(m.data, m.extent[0], m.extent[1], Eigen::OuterStride<>(m.stride[0])));
    else if (m.stride[0] == 1)
      use(Eigen::Map<const column_major, 0, Eigen::OuterStride<>>(m.data, m.extent[0], m.extent[1], Eigen::OuterStride<>(m.stride[1])));
    else
      use(row_major(strided<const row_major>(m)));
  }
  template <class Matrix, class U> static auto strided(matrix_view<U> m) {
    using strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
    return Eigen::Map<Matrix, 0, strides>(m.data, m.extent[0], m.extent[1], strides(m.stride[0], m.stride[1]));
  }

  static void multiply(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    if (c.extent[0] == 0 || c.extent[1] == 0) return;
    if (c.stride[1] != 1) {
      row_major own = strided<row_major>(c);
      multiply(a, b, matrix_of(own.data(), c.extent[0], c.extent[1]), accumulate);
      strided<row_major>(c) = own;
      return;
    }
    Eigen::Map<row_major, 0, Eigen::OuterStride<>> result(c.data, c.extent[0], c.extent[1], Eigen::OuterStride<>(c.stride[0]));
    if (!accumulate) result.setZero();
    if (a.extent[1] == 0) return;
    as_eigen(a, [&](const auto& left) { as_eigen(b, [&](const auto& right) { result.noalias() += left * right; }); });
  }
};

}  // namespace tilt
