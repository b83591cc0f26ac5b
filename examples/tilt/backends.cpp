// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <tilt/version.hpp>
#include <utility>

#include "commands.hpp"
#include "table.hpp"

namespace tilt::program {
namespace {

constinit const registered_backend* first_backend = nullptr;

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

registered_backend::registered_backend(backend_entry e) : entry(std::move(e)), next(first_backend) { first_backend = this; }

std::vector<const backend_entry*> backends() {
  std::vector<const backend_entry*> all;
  for (const registered_backend* b = first_backend; b != nullptr; b = b->next) all.push_back(&b->entry);
  std::sort(all.begin(), all.end(),
            [](const auto* a, const auto* b) { return a->rank != b->rank ? a->rank > b->rank : a->name < b->name; });
  return all;
}

const backend_entry* find_backend(std::string_view name) {
  for (const backend_entry* b : backends())
    if (b->name == name) return b;
  return nullptr;
}

std::vector<missing_backend> missing_backends() {
  // "name:package package,name:,"
  std::vector<missing_backend> all;
  for (std::string_view rest = TILT_MISSING_BACKENDS; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    const std::size_t colon = one.find(':');
    all.push_back({std::string(one.substr(0, colon)), std::string(one.substr(colon + 1))});
    rest.remove_prefix(one.size() + 1);
  }
  return all;
}

std::unique_ptr<session> open_session(const compute& machine, const model_folder& folder) {
  return find_backend(machine.backend)->open(machine, folder);
}

std::string version_text() {
  std::string names;
  for (const backend_entry* b : backends()) names += (names.empty() ? "" : ", ") + b->name;
  return std::string("tilt ") + version + " (" + compiler() + ", " + TILT_ARCH + ": " + instruction_sets() + "; backends: " + names + "; " +
         std::to_string(std::max(1u, std::thread::hardware_concurrency())) + " threads)";
}

void add_backends(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("backends", "What was compiled in: backends, instruction set, number types, threads");
  app.allow_extras();
  app.callback([&chosen] {
    chosen = [] {
      std::printf("%s\n\n", version_text().c_str());
      const std::string hardware = std::to_string(std::max(1u, std::thread::hardware_concurrency()));
      table list({"--backend", "library", "threads", "SIMD width", "--dtype"});
      for (const backend_entry* b : backends())
        list.row({b->name, b->library, b->threads ? hardware : "1", b->lanes > 1 ? std::to_string(b->lanes) + " float32" : "1", b->dtypes});
      list.print();
      for (const missing_backend& m : missing_backends())
        std::printf("\n%s was left out: %s\n", m.name.c_str(),
                    m.packages.empty() ? "CMake's TILT_BACKENDS does not name it" : ("it needs " + m.packages).c_str());
      return 0;
    };
  });
}

}  // namespace tilt::program
