// SPDX-License-Identifier: Apache-2.0
// A backend that maps numbers to numbers instead of running a body.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  void map(const double*, double*, tilt::index) {}
#endif
};
static_assert(tilt::require_backend<mine>::value);
