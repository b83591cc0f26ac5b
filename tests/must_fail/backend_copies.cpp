// SPDX-License-Identifier: Apache-2.0
// A backend that copies its own numbers, but not token ids.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  void copy_in(const double*, tilt::index, double*) {}
#endif
};
static_assert(tilt::require_backend<mine>::value);
