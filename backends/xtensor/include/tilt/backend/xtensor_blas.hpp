// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !__has_include(<xtensor-blas/xblas.hpp>)
#error "tilt/backend/xtensor_blas.hpp needs xtensor-blas (Debian: libxtensor-blas-dev) and a BLAS; xtensor_backend<T> needs neither"
#endif
#include <tilt/backend/xtensor.hpp>
//
#include <xtensor-blas/xblas.hpp>

/// OpenBLAS's, where that is the BLAS that is linked; otherwise null.
extern "C" [[gnu::weak]] void openblas_set_num_threads(int);

namespace tilt {

/// Instead of packed_product: xtensor-blas's, which is the product of the BLAS that the program is linked with. Its bits depend on the
/// shape and on the library, and it may allocate.
struct blas_product {};

namespace detail {

/// A row-major matrix whose rows may have gaps between them, as xt::blas takes it: with an adaptor that has gaps it would copy.
template <class T> struct blas_matrix : xt::xexpression<blas_matrix<T>> {
  using value_type = std::remove_const_t<T>;
  using shape_type = std::array<std::size_t, 2>;
  static constexpr xt::layout_type static_layout = xt::layout_type::row_major;

  matrix_view<T> m;

  explicit blas_matrix(const matrix_view<T>& rows) : m(rows) {}
  T* data() const { return m.data; }
  std::size_t data_offset() const { return 0; }
  std::size_t dimension() const { return 2; }
  xt::layout_type layout() const { return static_layout; }
  shape_type shape() const { return {static_cast<std::size_t>(m.extent[0]), static_cast<std::size_t>(m.extent[1])}; }
  std::array<index, 2> strides() const { return {m.extent[0] == 1 ? 0 : m.stride[0], 1}; }  // 0: as long as a row
};

}  // namespace detail

/// With gemm by xt::blas::gemm. The backend's threads each call it for a piece, so the BLAS must not start its own: the constructor tells
/// OpenBLAS so, for the whole program; others have variables of the environment for it (BLIS_NUM_THREADS, MKL_NUM_THREADS).
template <class T> class xtensor_backend<T, blas_product> : public packet_backend<xtensor_packet<T>> {
  using base = packet_backend<xtensor_packet<T>>;

 public:
  static constexpr bool row_exact = false;
  static constexpr const char* name = "xtensor, a BLAS's product";

  explicit xtensor_backend(int threads = 0) : base(threads) {
    if (openblas_set_num_threads) openblas_set_num_threads(1);
  }

  template <class U> xtensor_buffer<U> allocate(index n) { return xtensor_buffer<U>({static_cast<std::size_t>(n)}, U{}); }

  void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    this->multiply_in_pieces(
        a, b, c, [accumulate](const auto& left, const auto& right, const auto& part) { multiply(left, right, part, accumulate); });
  }

 private:
  using own_matrix = xt::xtensor<T, 2, xt::layout_type::row_major>;

  static bool has_rows(const matrix_view<const T>& m) { return m.stride[1] == 1 && (m.extent[0] == 1 || m.stride[0] >= m.extent[1]); }

  // Calls use(matrix, transposed) with the elements of m where they lie, or else with a copy.
  template <class Use> static void as_blas(const matrix_view<const T>& m, const Use& use) {
    if (has_rows(m)) return use(detail::blas_matrix<const T>(m), false);
    if (has_rows(transposed(m))) return use(detail::blas_matrix<const T>(transposed(m)), true);
    const own_matrix copy = as_xtensor(m);
    use(copy, false);
  }

  static void multiply(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    if (c.extent[0] == 0 || c.extent[1] == 0) return;
    if (!has_rows(c)) {
      own_matrix own = as_xtensor(c);
      multiply(a, b, view_of<2>(own), accumulate);
      as_xtensor(c) = own;
    } else if (a.extent[1] == 0) {
      if (!accumulate) as_xtensor(c).fill(T(0));
    } else {
      detail::blas_matrix<T> result(c);
      as_blas(a, [&](const auto& left, bool left_transposed) {
        as_blas(b, [&](const auto& right, bool right_transposed) {
          xt::blas::gemm(left, right, result, left_transposed, right_transposed, T(1), accumulate ? T(1) : T(0));
        });
      });
    }
  }
};

}  // namespace tilt
