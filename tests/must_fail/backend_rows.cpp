// SPDX-License-Identifier: Apache-2.0
// A backend whose rows() has no scratch to hand out.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  template <class Program> void rows(tilt::index, const Program&) {}
#endif
};
static_assert(tilt::require_backend<mine>::value);
