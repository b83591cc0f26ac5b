// SPDX-License-Identifier: Apache-2.0
// What the machine itself can do in this run: multiply-adds of its widest vectors from registers, and bytes read, copied or changed in place, of
// an array that stays in a second-level cache and of one that no cache holds. The best product of another library stands beside them.
#include <algorithm>
#include <memory>
#include <tilt/backend/eigen.hpp>

#include "../openblas.hpp"
#include "row.hpp"

namespace {

using tilt::index;
using P = tilt::eigen_packet<float>;

// 12 chains hide 4 cycles of latency at 2 instructions a cycle, and with the factors they fit 16 registers. A parameter pack, so that they
// are separate variables.
template <int... R> P chains(std::integer_sequence<int, R...>, index n, P a, P b) {
  P s[] = {P::broadcast(static_cast<float>(R))...};
  for (index i = 0; i < n; ++i) ((s[R] = multiply_add(a, b, s[R])), ...);
  P sum = P::broadcast(0);
  ((sum = sum + s[R]), ...);
  return sum;
}

void multiply_adds(benchmark::State& state, int threads) {
  constexpr index n = 1 << 20;
  constexpr int width = 12;
  tilt::threads pool(threads);
  tilt::bench::repeat(state, [&] {
    pool.run(threads, [&](index, int) {
      benchmark::DoNotOptimize(chains(std::make_integer_sequence<int, width>(), n, P::broadcast(0.5f), P::broadcast(1e-6f)));
    });
  });
  tilt::bench::count_work(state, 2.0 * width * P::size * n * threads, 0);
}

float read(const float* x, index n) {
  P a = P::broadcast(0), b = a, c = a, d = a;
  for (index i = 0; i < n; i += 4 * P::size) {
    a = a + P::load(x + i);
    b = b + P::load(x + i + P::size);
    c = c + P::load(x + i + 2 * P::size);
    d = d + P::load(x + i + 3 * P::size);
  }
  return reduce_add((a + b) + (c + d));
}
void copy(const float* x, float* y, index n) {
  for (index i = 0; i < n; i += 2 * P::size) {
    P::load(x + i).store(y + i);
    P::load(x + i + P::size).store(y + i + P::size);
  }
}
void change(float* x, index n) {
  const P factor = P::broadcast(-1);
  for (index i = 0; i < n; i += 2 * P::size) {
    (P::load(x + i) * factor).store(x + i);
    (P::load(x + i + P::size) * factor).store(x + i + P::size);
  }
}

constexpr index l2_numbers = index{1} << 17;    // 512 KiB a thread
constexpr index dram_numbers = index{1} << 28;  // 1 GiB for all
tilt::aligned_buffer<float>& block() {
  static tilt::aligned_buffer<float> numbers(dram_numbers);
  return numbers;
}

/// Each thread goes over a range of its own, several times in the cache; bytes are those read and written.
template <class Walk>
void walk(benchmark::State& state, int threads, tilt::bench::memory where, double bytes_a_number, const Walk& walk_range) {
  const bool cached = where == tilt::bench::memory::l2;
  const index part = cached ? l2_numbers : dram_numbers / threads, passes = cached ? 64 : 1;
  float* const all = block().data();
  tilt::threads pool(threads);
  tilt::bench::repeat(state, [&] {
    pool.run(threads, [&](index range, int) {
      for (index pass = 0; pass < passes; ++pass) walk_range(all + range * part, part);
    });
  });
  tilt::bench::count_work(state, 0, bytes_a_number * static_cast<double>(part * passes * threads), where);
}

template <class Run> void add_limit(const std::string& name, Run run) { tilt::bench::add_row(name, "", run, {.seconds = 0.2}); }

void add_walks(const char* level, tilt::bench::memory where) {
  const std::string to = std::string("/") + level;
  add_limit("limit/read" + to, [where](benchmark::State& state, int threads) {
    walk(state, threads, where, 4, [](const float* x, index n) { benchmark::DoNotOptimize(read(x, n)); });
  });
  add_limit("limit/copy" + to, [where](benchmark::State& state, int threads) {
    walk(state, threads, where, 4, [](float* x, index n) {  // half of the range to the other half
      copy(x, x + n / 2, n / 2);
      benchmark::ClobberMemory();
    });
  });
  add_limit("limit/change" + to, [where](benchmark::State& state, int threads) {
    walk(state, threads, where, 8, [](float* x, index n) {
      change(x, n);
      benchmark::ClobberMemory();
    });
  });
}

void multiply(benchmark::State& state, int threads, const tilt::bench::openblas& blas) {
  constexpr int n = 2048;
  blas.set_threads(threads);
  const std::vector<float> a = tilt::bench::random_numbers(n * n), b = a;
  std::vector<float> c(a.size());
  tilt::bench::repeat(
      state, [&] { blas.sgemm(blas.row_major, blas.as_stored, blas.as_stored, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n); });
  blas.set_threads(1);
  tilt::bench::count_work(state, 2.0 * n * n * n, 12.0 * n * n);
}

const bool registered = [] {
  add_limit("limit/multiply-add", multiply_adds);
  add_walks("L2", tilt::bench::memory::l2);
  add_walks("DRAM", tilt::bench::memory::dram);
  static const tilt::bench::openblas blas;
  if (blas) add_limit("limit/sgemm/openblas", [](benchmark::State& state, int threads) { multiply(state, threads, blas); });
  return true;
}();

}  // namespace
