// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <tilt/error.hpp>
#include <tilt/version.hpp>

#include "commands.hpp"
#include "table.hpp"

namespace tilt::program {
namespace {

struct entry {
  const char* name;
  std::unique_ptr<session> (*open)(const compute&, const model_folder&);
  std::string (*describe)();
};
constexpr entry known[] = {
#ifdef TILT_HAS_EIGEN
    {"eigen", open_eigen, describe_eigen},
#endif
    {"reference", open_reference, describe_reference},
};

std::string compiler() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#elif defined(__GNUC__)
  return "gcc " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#else
  return "an unnamed compiler";
#endif
}

std::string instruction_sets() {
  std::string all;
  const auto add = [&all](const char* name) { all += (all.empty() ? "" : " ") + std::string(name); };
#ifdef __SSE2__
  add("sse2");
#endif
#ifdef __AVX2__
  add("avx2");
#endif
#ifdef __FMA__
  add("fma");
#endif
#ifdef __AVX512F__
  add("avx512");
#endif
#ifdef __ARM_NEON
  add("neon");
#endif
  if (all.empty()) add("scalar");
  return all;
}

}  // namespace

std::vector<backend_facts> backends() {
  std::vector<backend_facts> all;
  for (const entry& e : known) all.push_back({e.name, e.describe()});
  return all;
}

std::unique_ptr<session> open_session(const compute& machine, const model_folder& folder) {
  for (const entry& e : known)
    if (machine.backend == e.name) return e.open(machine, folder);
  throw input_error("--backend: \"" + machine.backend + "\" was not compiled in; see tilt backends");
}

std::string version_text() {
  std::string names;
  for (const backend_facts& b : backends()) names += (names.empty() ? "" : ", ") + b.name;
  return std::string("tilt ") + version + " (" + compiler() + ", " + TILT_ARCH + ": " + instruction_sets() + "; backends: " + names + "; " +
         std::to_string(std::max(1u, std::thread::hardware_concurrency())) + " threads)";
}

void add_backends(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("backends", "What was compiled in: backends, instruction set, number types, threads");
  app.allow_extras();
  app.callback([&chosen] {
    chosen = [] {
      std::printf("%s\n\n", version_text().c_str());
      table list({"--backend", "dtypes", "what"});
      for (const backend_facts& b : backends()) list.row({b.name, "float32 float64", b.what});
      list.print();
      return 0;
    };
  });
}

}  // namespace tilt::program
