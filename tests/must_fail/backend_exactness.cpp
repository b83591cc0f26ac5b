// SPDX-License-Identifier: Apache-2.0
// A backend that answers the question of exactness at run time.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  void row_exact() const {}
#endif
};
static_assert(tilt::require_backend<mine>::value);
