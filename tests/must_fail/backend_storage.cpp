// SPDX-License-Identifier: Apache-2.0
// A backend whose buffers do not give a pointer to their elements.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  struct handle {
    int data() { return 0; }
  };
  template <class U> handle allocate(tilt::index) { return {}; }
#endif
};
static_assert(tilt::require_backend<mine>::value);
