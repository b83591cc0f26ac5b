// SPDX-License-Identifier: Apache-2.0
// Each part of the concepts, met and missed. Positive: whatever the library ships. Negative: the archetype with one thing taken away.
#include <span>
#include <support/archetype_backend.hpp>
#include <support/catch.hpp>
#include <tilt/scalar/packet.hpp>
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/reference.hpp>

namespace {

using tilt::index;
using tilt::matrix_view;
using tilt::team_scratch;
using tilt::test::archetype_backend;
using tilt::test::archetype_team;

static_assert(tilt::backend<tilt::reference_backend<float>> && tilt::backend<tilt::reference_backend<long double>>);
static_assert(tilt::team<tilt::plain_team<float>>);

static_assert(tilt::has_scalar<archetype_backend>);
static_assert(!tilt::has_scalar<int> && !tilt::has_scalar<archetype_backend::owner<int>>);

// Backends. A base class's member is taken away by hiding it.

struct without_allocate : archetype_backend {
  void allocate(index);
};
struct without_copy_in : archetype_backend {
  void copy_in();
};
struct without_copy_out : archetype_backend {
  void copy_out();
};
struct allocates_void : archetype_backend {
  struct owner {
    void* data() { return nullptr; }
  };
  template <class U> owner allocate(index) { return {}; }
};
struct allocates_scalars_only : archetype_backend {
  template <class U>
  requires std::same_as<U, double> owner<U> allocate(index n) { return owner<U>(n); }
};
static_assert(tilt::owns_memory<archetype_backend>);
static_assert(!tilt::owns_memory<without_allocate> && !tilt::owns_memory<without_copy_in> && !tilt::owns_memory<without_copy_out>);
static_assert(!tilt::owns_memory<allocates_void> && !tilt::owns_memory<allocates_scalars_only>);

struct owner_without_const_data : archetype_backend {
  template <class U> struct owner : archetype_backend::owner<U> {
    using archetype_backend::owner<U>::owner;
    U* data() { return archetype_backend::owner<U>::data(); }
  };
  template <class U> owner<U> allocate(index n) { return owner<U>(n); }
};
struct allocates_views : archetype_backend {
  template <class U> std::span<U> allocate(index) { return {}; }
};
static_assert(tilt::frees_memory<archetype_backend> && !tilt::frees_memory<allocates_views>);
static_assert(!tilt::owns_memory<owner_without_const_data> && tilt::owns_memory<allocates_views>);

struct without_map : archetype_backend {
  void map();
};
struct maps_without_count : archetype_backend {
  template <class Body> void map(const Body&) {}
};
static_assert(tilt::maps_elements<archetype_backend>);
static_assert(!tilt::maps_elements<without_map> && !tilt::maps_elements<maps_without_count>);

struct without_rows : archetype_backend {
  void rows();
};
struct rows_without_scratch : archetype_backend {
  template <class Program> void rows(index, const Program&) {}
};
struct without_teams : archetype_backend {
  void teams() const;
};
static_assert(tilt::runs_rows<archetype_backend>);
static_assert(!tilt::runs_rows<without_rows> && !tilt::runs_rows<rows_without_scratch> && !tilt::runs_rows<without_teams>);

struct without_gemm : archetype_backend {
  void gemm();
};
struct gemm_of_pointers : archetype_backend {
  void gemm(const double*, const double*, double*, index, index, index);
};
static_assert(tilt::multiplies_matrices<archetype_backend>);
static_assert(!tilt::multiplies_matrices<without_gemm> && !tilt::multiplies_matrices<gemm_of_pointers>);

struct maps_lazily : archetype_backend {
  template <class Body> Body map(index, const Body& body) { return body; }
};
struct multiplies_lazily : archetype_backend {
  auto gemm(matrix_view<const double> a, matrix_view<const double>, matrix_view<double>, bool) { return a; }
};
static_assert(tilt::works_at_once<archetype_backend> && !tilt::works_at_once<maps_lazily> && !tilt::works_at_once<multiplies_lazily>);

struct silent_on_exactness : archetype_backend {
  void row_exact();
};
static_assert(tilt::states_row_exactness<archetype_backend> && !tilt::states_row_exactness<silent_on_exactness>);

static_assert(!tilt::backend<without_allocate> && !tilt::backend<without_map> && !tilt::backend<without_rows> &&
              !tilt::backend<without_gemm> && !tilt::backend<silent_on_exactness> && !tilt::backend<allocates_views> &&
              !tilt::backend<maps_lazily> && !tilt::backend<int>);

// Teams.
struct team_base : archetype_team {
  team_base() : archetype_team(nullptr) {}
};
struct team_without_each : team_base {
  void each() const;
};
struct team_whose_sum_is_single : team_base {
  template <class Body> float sum(index, const Body&) const { return 0; }
};
struct team_without_max : team_base {
  void max() const;
};
struct team_without_once : team_base {
  void once() const;
};
struct team_without_gemm : team_base {
  void gemm() const;
};
struct team_without_scratch : team_base {
  void scratch() const;
};
struct team_that_changes : team_base {
  template <class Body> void each(index, const Body&) {}  // a program gets a const team
};
static_assert(tilt::team<team_base>);
static_assert(!tilt::team<team_without_each> && !tilt::team<team_whose_sum_is_single> && !tilt::team<team_without_max> &&
              !tilt::team<team_without_once> && !tilt::team<team_without_gemm> && !tilt::team<team_without_scratch> &&
              !tilt::team<team_that_changes>);

// Packets.
static_assert(!tilt::packet<float> && !tilt::packet<double> && !tilt::packet<tilt::test::archetype_number>);

}  // namespace

TEST_CASE("concepts: met by what the library ships, missed by what lacks a part") { SUCCEED("checked by the compiler"); }
