// SPDX-License-Identifier: Apache-2.0
// A backend with a BLAS-like product instead of one over views.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  void gemm(int m, int n, int k, const double* a, const double* b, double* c);
#endif
};
static_assert(tilt::require_backend<mine>::value);
