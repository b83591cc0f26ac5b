// SPDX-License-Identifier: Apache-2.0
// The matrix products of a training step: the library's own kernel, Eigen's, and OpenBLAS where the system has one (looked for at run
// time, so that nothing depends on it). Rates in flop/s; compare within one run, and only on a machine that does nothing else.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <tilt/backend/eigen.hpp>
#include <vector>

#include "openblas.hpp"

namespace {

struct product {
  const char* what;
  tilt::index m, n, k;
  bool a_transposed, b_transposed;
};
constexpr product products[] = {
    {"square", 1024, 1024, 1024, false, false},    {"forward up", 2048, 1536, 576, false, true},
    {"forward down", 1400, 288, 768, false, true}, {"dX", 2048, 576, 1536, false, false},
    {"dW", 1536, 576, 2048, true, false},          {"logits", 512, 4096, 576, false, true},
    {"attention head", 128, 128, 64, false, true}, {"decode 1", 1, 1536, 576, false, true},
    {"decode 8", 8, 1536, 576, false, true},
};

/// The operands of a product, and views of them.
struct operands {
  std::vector<float> a, b, c;
  tilt::matrix_view<const float> left, right;
  tilt::matrix_view<float> result;

  explicit operands(const product& p) : a(size(p.m, p.k)), b(size(p.k, p.n)), c(size(p.m, p.n)) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& x : a) x = uniform(random);
    for (float& x : b) x = uniform(random);
    left = p.a_transposed ? tilt::transposed(tilt::matrix_of<const float>(a.data(), p.k, p.m))
                          : tilt::matrix_of<const float>(a.data(), p.m, p.k);
    right = p.b_transposed ? tilt::transposed(tilt::matrix_of<const float>(b.data(), p.n, p.k))
                           : tilt::matrix_of<const float>(b.data(), p.k, p.n);
    result = tilt::matrix_of(c.data(), p.m, p.n);
  }
  static std::size_t size(tilt::index rows, tilt::index columns) { return static_cast<std::size_t>(rows * columns); }
};

void count_flops(benchmark::State& state, const product& p) {
  state.counters["flop/s"] = benchmark::Counter(2.0 * static_cast<double>(p.m * p.n * p.k), benchmark::Counter::kIsIterationInvariantRate);
}

template <class Backend> void multiply(benchmark::State& state, const product& p) {
  Backend backend(static_cast<int>(state.range(0)));
  const operands o(p);
  for (auto _ : state) {
    backend.gemm(o.left, o.right, o.result, false);
    benchmark::ClobberMemory();
  }
  count_flops(state, p);
}

void multiply_with_openblas(benchmark::State& state, const tilt::bench::openblas& blas, const product& p) {
  blas.set_threads(static_cast<int>(state.range(0)));
  operands o(p);
  const auto narrow = [](tilt::index n) { return static_cast<int>(n); };
  for (auto _ : state) {
    blas.sgemm(blas.row_major, p.a_transposed ? blas.transposed : blas.as_stored, p.b_transposed ? blas.transposed : blas.as_stored,
               narrow(p.m), narrow(p.n), narrow(p.k), 1, o.a.data(), narrow(p.a_transposed ? p.m : p.k), o.b.data(),
               narrow(p.b_transposed ? p.k : p.n), 0, o.c.data(), narrow(p.n));
    benchmark::ClobberMemory();
  }
  count_flops(state, p);
}

const bool registered = [] {
  static const tilt::bench::openblas blas;
  for (const product& p : products) {
    const auto add = [&p](const char* who, auto&& function) {
      benchmark::RegisterBenchmark((std::string(p.what) + "/" + who).c_str(), function)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
    };
    add("tilt", [&p](benchmark::State& state) { multiply<tilt::eigen_backend<float>>(state, p); });
    add("eigen", [&p](benchmark::State& state) { multiply<tilt::eigen_backend<float, tilt::eigen_product>>(state, p); });
    if (blas) add("openblas", [&p](benchmark::State& state) { multiply_with_openblas(state, blas, p); });
  }
  return true;
}();

}  // namespace
