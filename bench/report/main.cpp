// SPDX-License-Identifier: Apache-2.0
// The program behind scripts/bench-report. The machine's rows come first, and those of all backends for the same thing follow one another: the
// machine's speed changes from minute to minute.
#include <algorithm>

#include "row.hpp"

namespace {

void register_rows(const tilt::bench::row& r) {
  const auto measure = [&r](benchmark::State& state) { r.run(state, static_cast<int>(state.range(0))); };
  const std::string name = r.backend.empty() ? r.what : r.what + "/" + r.backend;
  benchmark::internal::Benchmark* const b = benchmark::RegisterBenchmark(name.c_str(), measure);
  b->ArgName("threads")->ArgsProduct({r.options.threads})->UseRealTime();
  if (r.options.iterations > 0) b->Iterations(r.options.iterations)->Unit(benchmark::kMillisecond);
  if (r.options.seconds > 0) b->MinTime(r.options.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<tilt::bench::row>& rows = tilt::bench::all_rows();
  std::vector<std::string> things;
  for (const bool of_machine : {true, false})
    for (const tilt::bench::row& r : rows)
      if (r.backend.empty() == of_machine && std::find(things.begin(), things.end(), r.what) == things.end()) things.push_back(r.what);
  for (const std::string& thing : things)
    for (const tilt::bench::row& r : rows)
      if (r.what == thing) register_rows(r);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
