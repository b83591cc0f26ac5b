// SPDX-License-Identifier: Apache-2.0
// A backend that does not say what number it computes in.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
 private:
  using scalar = double;
#endif
};
static_assert(tilt::require_backend<mine>::value);
