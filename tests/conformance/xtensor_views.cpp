// SPDX-License-Identifier: Apache-2.0
// xtensor's containers as views of the library's, and the other way about. Compiled a second time where xtensor's headers lie in the
// folders that they have had since 0.26 (TILT_XTENSOR_HEADERS names the places in the tests' names).
#include <numeric>
#include <support/catch.hpp>
#include <support/tolerance.hpp>
#include <tilt/backend/xtensor.hpp>
#include <vector>
#if __has_include(<xtensor/views/xview.hpp>)
#include <xtensor/views/xstrided_view.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xview.hpp>
#endif
#ifndef TILT_XTENSOR_HEADERS
#define TILT_XTENSOR_HEADERS "xtensor views: "
#endif

using tilt::as_xtensor;
using tilt::matrix_of;
using tilt::transposed;
using tilt::view_of;

namespace {

std::vector<double> counted(int n) {
  std::vector<double> x(static_cast<std::size_t>(n));
  std::iota(x.begin(), x.end(), 0.0);
  return x;
}

template <class Tensor>
concept viewable = requires(Tensor& t) {
  view_of<2>(t);
};
using matrix = xt::xtensor<double, 2>;
static_assert(viewable<matrix> && viewable<const matrix> && viewable<xt::xarray<float>>);
static_assert(!viewable<decltype(matrix() + matrix())>);  // not computed: it has no elements yet

}  // namespace

TEST_CASE(TILT_XTENSOR_HEADERS "a view as a window of xtensor's, whatever its strides") {
  std::vector<double> memory = counted(20);
  const auto rows = matrix_of(memory.data() + 1, 3, 4, 6);  // gaps of two
  const xt::xtensor<double, 2> copy = as_xtensor(rows), turned = as_xtensor(transposed(rows));
  REQUIRE(copy.shape(0) == 3);
  REQUIRE(turned.shape(0) == 4);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 4; ++j) {
      CHECK(copy(i, j) == static_cast<double>(1 + 6 * i + j));
      CHECK(turned(j, i) == copy(i, j));
    }
  as_xtensor(rows) = 2 * as_xtensor(rows) + copy;
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const bool inside = i >= 1 && (i - 1) / 6 < 3 && (i - 1) % 6 < 4;
    CHECK(memory[i] == static_cast<double>(inside ? 3 * i : i));
  }
  const tilt::matrix_view<const double> fixed = rows;
  CHECK(xt::eval(xt::sum(as_xtensor(fixed)))() == 3 * (1 + 2 + 3 + 4 + 7 + 8 + 9 + 10 + 13 + 14 + 15 + 16));
  CHECK(as_xtensor(matrix_of(memory.data(), 0, 4)).size() == 0);
  CHECK(as_xtensor(tilt::vector_of(memory.data(), 5))(4) == memory[4]);
}

TEST_CASE(TILT_XTENSOR_HEADERS "a window of one row or column stretches as xtensor's own do") {
  std::vector<double> memory = counted(4);
  const xt::xtensor<double, 2> zero = xt::zeros<double>({5, 4});
  const xt::xtensor<double, 2> down = zero + as_xtensor(matrix_of(memory.data(), 1, 4, 100));
  const xt::xtensor<double, 2> across = xt::zeros<double>({4, 3}) + as_xtensor(matrix_of(memory.data(), 4, 1));
  CHECK(down(4, 3) == 3);
  CHECK(across(2, 2) == 2);
}

TEST_CASE(TILT_XTENSOR_HEADERS "tensors, arrays and strided views of xtensor's as views") {
  xt::xtensor<double, 2> row_major = {{0, 1, 2}, {3, 4, 5}};
  xt::xtensor<double, 2, xt::layout_type::column_major> column_major = row_major;
  const xt::xarray<double> array = row_major;
  const auto check = [](tilt::matrix_view<const double> v) {
    REQUIRE(v.extent[0] == 2);
    REQUIRE(v.extent[1] == 3);
    for (tilt::index i = 0; i < 2; ++i)
      for (tilt::index j = 0; j < 3; ++j) CHECK(v(i, j) == static_cast<double>(3 * i + j));
  };
  check(view_of<2>(row_major));
  check(view_of<2>(column_major));
  check(view_of<2>(array));

  auto right = xt::view(row_major, xt::all(), xt::range(1, 3));
  view_of<2>(right)(1, 0) = 40;
  CHECK(row_major(1, 1) == 40);
  auto column = xt::view(row_major, xt::all(), 2);
  CHECK(view_of<1>(column)(1) == 5);
  xt::xtensor<double, 2> one = {{7}};
  CHECK(view_of<2>(one).stride[1] == 1);  // xtensor says 0

  CHECK_THROWS_WITH(view_of<1>(array), Catch::Contains("has 2 dimensions and 1"));
  auto backwards = xt::view(row_major, xt::all(), xt::range(2, -1, -1));
  CHECK_THROWS_WITH(view_of<2>(backwards), Catch::Contains("runs backwards"));
}

TEST_CASE(TILT_XTENSOR_HEADERS "a backend's memory is a tensor, and products take the caller's") {
  tilt::xtensor_backend<double> backend(1);
  auto own = backend.allocate<double>(6);
  CHECK(reinterpret_cast<std::uintptr_t>(own.data()) % 64 == 0);
  own = xt::arange<double>(6) * 0.5;
  const auto a = matrix_of<const double>(own.data(), 2, 3);
  const xt::xtensor<double, 2, xt::layout_type::column_major> b = {{1, 2}, {3, 4}, {5, 6}};
  xt::xtensor<double, 2> c = {{1, 1}, {1, 1}};
  backend.gemm(a, view_of<2>(b), view_of<2>(c), true);
  const xt::xtensor<double, 2> expected = {{1 + 0.5 * 13, 1 + 0.5 * 16}, {1 + 0.5 * 40, 1 + 0.5 * 52}};
  const bool same = c == expected;
  CHECK(same);
}
