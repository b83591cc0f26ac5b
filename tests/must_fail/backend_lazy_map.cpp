// SPDX-License-Identifier: Apache-2.0
// A backend whose map returns an expression that somebody is to evaluate.
#include "../support/archetype_backend.hpp"

struct mine : tilt::test::archetype_backend {
#ifdef TILT_MUST_FAIL
  template <class Body> struct expression {
    Body body;
    double operator()(tilt::index i) const { return body(tilt::test::archetype_lane{}, i).value; }
  };
  template <class Body> expression<Body> map(tilt::index, const Body& body) { return {body}; }
#endif
};
static_assert(tilt::require_backend<mine>::value);
