// SPDX-License-Identifier: Apache-2.0
// A team whose sum returns a lane's number, not the backend's scalar.
#include "../support/archetype_backend.hpp"

using tilt::test::archetype_backend, tilt::test::archetype_team;

#ifdef TILT_MUST_FAIL
struct team : archetype_team {
  using archetype_team::archetype_team;
  template <class Body> auto sum(tilt::index, const Body& body) const { return body(tilt::test::archetype_lane{}, 0); }
};
#else
using team = archetype_team;
#endif

struct mine : archetype_backend {
  template <class Program> void rows(tilt::index n, const Program& program, tilt::team_scratch<double> scratch = {}) {
    for (tilt::index row = 0; row < n; ++row) program(team(scratch.data), row);
  }
};
static_assert(tilt::require_backend<mine>::value);
