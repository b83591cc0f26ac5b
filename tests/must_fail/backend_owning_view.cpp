// SPDX-License-Identifier: Apache-2.0
// A backend whose product takes matrices that own their elements, where it is to take views.
#include <vector>

#include "../support/archetype_backend.hpp"

struct matrix {
  std::vector<double> elements;
  tilt::index rows, columns;
};
struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  void gemm(const matrix& a, const matrix& b, matrix& c, bool accumulate);
#endif
};
static_assert(tilt::require_backend<mine>::value);
