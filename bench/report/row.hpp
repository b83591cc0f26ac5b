// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <benchmark/benchmark.h>

#include <functional>
#include <random>
#include <string>
#include <tilt/scalar/config.hpp>
#include <utility>
#include <vector>

namespace tilt::bench {

// A row of the report is a benchmark whose name is a path: what, of which shape, by which backend, on how many threads.

/// Where a row's operands lie; its label. The bandwidth of that level is one of the two limits that its rate is held against.
enum class memory { l2, dram };

struct row_options {
  std::vector<std::int64_t> threads{1, 2};
  std::int64_t iterations = 0;  ///< 0: as many as fill the time that is asked for
  double seconds = 0;           ///< the least time, instead of the one that is asked for
};

/// Rows what/backend/threads:n, which run(state, n) measures; the machine's own have no backend.
struct row {
  std::string what, backend;
  std::function<void(benchmark::State&, int threads)> run;
  row_options options;
};

/// All rows of the program, in no order that matters: main() puts those of the same thing together.
inline std::vector<row>& all_rows() {
  static std::vector<row> rows;
  return rows;
}
template <class Run> void add_row(std::string what, std::string backend, Run run, row_options options = {}) {
  all_rows().push_back({std::move(what), std::move(backend), std::move(run), std::move(options)});
}

/// Runs `work` once unmeasured, so that memory and caches are as they are later on, and then as often as the benchmark wants.
template <class Work> void repeat(benchmark::State& state, const Work& work) {
  work();
  for (auto _ : state) {
    work();
    benchmark::ClobberMemory();
  }
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
