// SPDX-License-Identifier: Apache-2.0
// Nothing that a step calls may allocate: whole steps are in tests/train/allocation.cpp, their parts here.
#include <conformance/support.hpp>
#include <cstdlib>
#include <new>
#include <support/counting_malloc.hpp>
#include <tilt/backend/eigen.hpp>
#include <tilt/tensor/arena.hpp>

using tilt::test::allocations;

namespace {
struct exp_body {
  float* x;
  template <class Lane> void operator()(const Lane& lane, tilt::index i) const { lane.store(x, i, exp(lane.load(x, i))); }
};
struct product_program {
  tilt::matrix_view<const float> a, b;
  tilt::matrix_view<float> c;
  template <class Team> void operator()(const Team& team, tilt::index row) const {
    team.gemm(tilt::row_range(a, row, 1), b, tilt::row_range(c, row, 1), true);
    c(row, 0) = team.sum(c.extent[1], [this, row](const auto& lane, tilt::index j) { return lane.load(&c(row, 0), j); });
  }
};
}  // namespace

TEST_CASE("allocations: the counter counts") {
  if (!tilt::test::counts_allocations()) TILT_SKIP("malloc cannot be counted in this build");
  const long before = allocations();
  void* volatile kept = std::malloc(10);
  std::free(kept);
  kept = ::operator new(10);
  ::operator delete(kept);
  kept = ::operator new(64, std::align_val_t(64));
  ::operator delete(kept, std::align_val_t(64));
  CHECK(allocations() - before >= 3);
}

TEST_CASE("allocations: gemm, map, rows and the arena allocate nothing") {
  if (!tilt::test::counts_allocations()) TILT_SKIP("malloc cannot be counted in this build");
  std::mt19937_64 random(1);
  for (int threads : {1, 3}) {
    tilt::eigen_backend<float> backend(threads);
    constexpr tilt::index n = 300;
    std::vector<float> a = tilt::test::random_vector<float>(n * n, random), b = a, c = a;
    tilt::arena memory(backend);
    memory.reserve(1 << 20);
    const long before = allocations();
    for (int round = 0; round < 3; ++round) {
      float* const x = memory.take<float>(50000);
      const auto mark = memory.mark();
      backend.map(50000, exp_body{x});
      for (tilt::index m : {tilt::index{1}, tilt::index{7}, n})
        for (bool flip : {false, true}) {
          const auto right = tilt::matrix_of<const float>(b.data(), n, n);
          backend.gemm(tilt::matrix_of<const float>(a.data(), m, n), flip ? tilt::transposed(right) : right,
                       tilt::matrix_of(c.data(), m, n), round > 0);
        }
      backend.rows(n, product_program{tilt::matrix_of<const float>(a.data(), n, n), tilt::matrix_of<const float>(b.data(), n, n),
                                      tilt::matrix_of(c.data(), n, n)});
      memory.release(mark);
    }
    CHECK(allocations() == before);
  }
}
