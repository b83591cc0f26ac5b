// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/view.hpp>

#include <numeric>
#include <support/catch.hpp>
#include <type_traits>
#include <vector>

static_assert(std::is_trivially_copyable_v<tilt::matrix_view<float>>);
static_assert(std::is_convertible_v<tilt::matrix_view<float>, tilt::matrix_view<const float>>);
static_assert(!std::is_convertible_v<tilt::matrix_view<const float>, tilt::matrix_view<float>>);
static_assert(tilt::view<int, 3>{nullptr, {2, 3, 4}, {12, 4, 1}}.size() == 24);
static_assert(tilt::matrix_view<int>{}.size() == 0);

namespace {
std::vector<int> counted(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}
}  // namespace

TEST_CASE("views: element (i, j) lies at i*stride + j") {
  std::vector<int> memory = counted(40);
  const auto m = tilt::matrix_of(memory.data(), 3, 4, 10);
  CHECK(m.size() == 12);
  CHECK(m(0, 0) == 0);
  CHECK(m(2, 3) == 23);
  m(1, 1) = -1;
  CHECK(memory[11] == -1);
  CHECK(tilt::vector_of(memory.data() + 5, 3)(2) == 7);
}

TEST_CASE("views: transposing, and taking rows and columns") {
  const std::vector<int> memory = counted(12);
  const auto m = tilt::matrix_of(memory.data(), 3, 4);
  const auto t = tilt::transposed(m);
  CHECK(t.extent[0] == 4);
  CHECK(t.extent[1] == 3);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) CHECK(t(j, i) == m(i, j));

  const auto rows = tilt::row_range(m, 1, 2);
  CHECK(rows.extent[0] == 2);
  CHECK(rows(1, 3) == m(2, 3));
  const auto columns = tilt::column_range(t, 1, 2);
  CHECK(columns.extent[1] == 2);
  CHECK(columns(3, 1) == m(2, 3));
  CHECK(tilt::row_range(m, 3, 0).size() == 0);
}

TEST_CASE("views: three dimensions with gaps") {
  std::vector<int> memory = counted(100);
  const tilt::view<const int, 3> v{memory.data() + 1, {2, 3, 2}, {40, 10, 3}};
  CHECK(v(1, 2, 1) == 1 + 40 + 20 + 3);
  CHECK(v.size() == 12);
}
