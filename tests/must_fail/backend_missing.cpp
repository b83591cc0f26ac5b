// SPDX-License-Identifier: Apache-2.0
// A backend that has everything but a product.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
 private:
  using archetype_backend::gemm;
#endif
};
static_assert(tilt::require_backend<mine>::value);
