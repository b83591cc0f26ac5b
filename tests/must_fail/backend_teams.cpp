// SPDX-License-Identifier: Apache-2.0
// A backend whose teams() does not answer with a number.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  const char* teams() const { return "two"; }
#endif
};
static_assert(tilt::require_backend<mine>::value);
