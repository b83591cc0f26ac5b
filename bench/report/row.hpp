// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <tilt/scalar/config.hpp>
#include <utility>
#include <vector>

namespace tilt::bench {

// A row of the report is a benchmark whose name is a path: what, of which shape, by which backend, on how many threads.

/// Where a row's operands lie; its label. The bandwidth of that level is one of the two limits that its rate is held against.
enum class memory { l2, dram };

/// Adds the rows `name`/threads:n; run(state, n) measures one.
template <class Run>
benchmark::internal::Benchmark* add_row(const std::string& name, Run run, const std::vector<std::int64_t>& threads = {1, 2}) {
  return benchmark::RegisterBenchmark(name.c_str(), [run](benchmark::State& state) { run(state, static_cast<int>(state.range(0))); })
      ->ArgName("threads")
      ->ArgsProduct({threads})
      ->UseRealTime();
}

/// States floating-point operations and bytes that an iteration has to read and write at least; 0: not worth counting.
inline void count_work(benchmark::State& state, double flops, double bytes, memory where = memory::dram) {
  const auto rate = [](double work) { return benchmark::Counter(work, benchmark::Counter::kIsIterationInvariantRate); };
  if (flops > 0) state.counters["flop/s"] = rate(flops);
  if (bytes > 0) state.counters["byte/s"] = rate(bytes);
  state.SetLabel(where == memory::l2 ? "L2" : "DRAM");
}

/// Uniform in ±`width`.
inline std::vector<float> random_numbers(index n, float width = 1) {
  std::vector<float> x(static_cast<std::size_t>(n));
  std::minstd_rand random(1);
  const float unit = 2 * width / static_cast<float>(std::minstd_rand::max());
  for (float& value : x) value = unit * static_cast<float>(random()) - width;
  return x;
}

}  // namespace tilt::bench
