// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <dlfcn.h>

namespace tilt::bench {

/// The two functions of OpenBLAS that are used, null where the system has no OpenBLAS: it is looked for at run time, so that nothing
/// depends on it.
struct openblas {
  static constexpr int row_major = 101, as_stored = 111, transposed = 112;

  void (*sgemm)(int order, int a, int b, int m, int n, int k, float alpha, const float*, int, const float*, int, float beta, float*,
                int) = nullptr;
  void (*set_threads)(int) = nullptr;

  openblas() {
    if (void* const library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL)) {
      sgemm = reinterpret_cast<decltype(sgemm)>(dlsym(library, "cblas_sgemm"));
      set_threads = reinterpret_cast<decltype(set_threads)>(dlsym(library, "openblas_set_num_threads"));
    }
  }
  explicit operator bool() const { return sgemm && set_threads; }
};

}  // namespace tilt::bench
