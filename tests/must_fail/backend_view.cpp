// SPDX-License-Identifier: Apache-2.0
// A backend that hands out views of memory, which nobody frees.
#include <span>

#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  template <class U> std::span<U> allocate(tilt::index n) { return {new U[static_cast<std::size_t>(n)], static_cast<std::size_t>(n)}; }
#endif
};
static_assert(tilt::require_backend<mine>::value);
