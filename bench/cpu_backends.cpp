// SPDX-License-Identifier: Apache-2.0
// The CPU backends beside each other, on one thread: the matrix products of a training step, and elementwise maps of 2^16 numbers that
// stay in a second-level cache. Compare within one run.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <tilt/backend/eigen.hpp>
#include <tilt/backend/xtensor.hpp>
#include <tilt/scalar/gelu.hpp>
#include <tilt/scalar/silu.hpp>
#include <tilt/tensor/elementwise.hpp>
#include <vector>

namespace {

std::vector<float> random_numbers(tilt::index n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-8, 8);
  for (float& value : x) value = uniform(random);
  return x;
}

struct product {
  const char* what;
  tilt::index m, n, k;
  bool a_transposed, b_transposed;
};
constexpr product products[] = {
    {"square", 1024, 1024, 1024, false, false},    {"forward up", 2048, 1536, 576, false, true}, {"dW", 1536, 576, 2048, true, false},
    {"attention head", 128, 128, 64, false, true}, {"decode 1", 1, 1536, 576, false, true},
};

template <class Backend> void multiply(benchmark::State& state, const product& p) {
  Backend backend(1);
  const std::vector<float> a = random_numbers(p.m * p.k), b = random_numbers(p.k * p.n);
  std::vector<float> c(static_cast<std::size_t>(p.m * p.n));
  const auto left = p.a_transposed ? tilt::transposed(tilt::matrix_of(a.data(), p.k, p.m)) : tilt::matrix_of(a.data(), p.m, p.k);
  const auto right = p.b_transposed ? tilt::transposed(tilt::matrix_of(b.data(), p.n, p.k)) : tilt::matrix_of(b.data(), p.k, p.n);
  for (auto _ : state) {
    backend.gemm(left, right, tilt::matrix_of(c.data(), p.m, p.n), false);
    benchmark::ClobberMemory();
  }
  state.counters["flop/s"] = benchmark::Counter(2.0 * static_cast<double>(p.m * p.n * p.k), benchmark::Counter::kIsIterationInvariantRate);
}

struct exponential {
  static constexpr const char* name = "exp";
  template <class N> N operator()(const N& x) const { return exp(x); }
};
struct gelu_tanh {
  static constexpr const char* name = "gelu_tanh";
  template <class N> N operator()(const N& x) const { return tilt::gelu_tanh(x); }
};
struct swish {
  static constexpr const char* name = "silu";
  template <class N> N operator()(const N& x) const { return tilt::silu(x); }
};

template <class Function> struct map_body {
  const float* x;
  float* y;
  template <class Lane> void operator()(const Lane& lane, tilt::index i) const { lane.store(y, i, Function{}(lane.load(x, i))); }
};

template <class Backend, class Function> void map(benchmark::State& state) {
  constexpr tilt::index n = 1 << 16;
  Backend backend(1);
  const std::vector<float> x = random_numbers(n);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    backend.map(n, map_body<Function>{x.data(), y.data()});
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * n);
}

/// The mean and the largest of rows of 300 numbers.
struct row_program {
  const float* x;
  float* y;
  template <class Team> void operator()(const Team& team, tilt::index r) const {
    const float* const row = x + r * 300;
    y[r] = team.sum(300, [=](const auto& lane, tilt::index i) { return lane.load(row, i); }) / 300 +
           team.max(300, [=](const auto& lane, tilt::index i) { return lane.load(row, i); });
  }
};
template <class Backend> void rows(benchmark::State& state) {
  Backend backend(1);
  const std::vector<float> x = random_numbers(300 * 200);
  std::vector<float> y(200);
  for (auto _ : state) {
    backend.rows(200, row_program{x.data(), y.data()});
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 200 * 300);
}

template <class Backend> void add(const char* who) {
  for (const product& p : products)
    benchmark::RegisterBenchmark((std::string(p.what) + "/" + who).c_str(), [&p](benchmark::State& state) { multiply<Backend>(state, p); });
  const auto add_map = [who]<class Function>(Function) {
    benchmark::RegisterBenchmark((std::string(Function::name) + "/" + who).c_str(), map<Backend, Function>);
  };
  add_map(exponential{});
  add_map(gelu_tanh{});
  add_map(swish{});
  benchmark::RegisterBenchmark((std::string("sum and max of rows/") + who).c_str(), rows<Backend>);
}
const bool registered = [] {
  add<tilt::eigen_backend<float>>("eigen");
  add<tilt::xtensor_backend<float>>("xtensor");
  return true;
}();

}  // namespace
