// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <tilt/tensor/team.hpp>
#include <type_traits>
#include <utility>

namespace tilt {

// A backend is an object (it may hold threads, a stream, a handle) that owns memory and runs four kinds of work on it. Nothing
// else is asked of it: layers, losses and optimisers are composed from these. Pointers are the backend's own (a device's, maybe);
// only copy_in and copy_out touch host memory.

/// Names the type of number that a backend computes in.
template <class B>
concept has_scalar = requires {
  typename B::scalar;
};

/// An owner's elements: a pointer, of a const owner to const, and their number.
template <class Owner, class U>
concept holds = requires(Owner& owner, const Owner& fixed) {
  { owner.data() } -> std::convertible_to<U*>;
  { fixed.data() } -> std::convertible_to<const U*>;
  { fixed.size() } -> std::convertible_to<index>;
};

/// Storage: `allocate<U>(n)` returns a movable owner with data() and size(); `copy_in(host, n, own)` and `copy_out(own, n, host)`.
template <class B>
concept owns_memory = has_scalar<B> &&
    requires(B& b, const typename B::scalar* from, typename B::scalar* to, const token* ids, token* own_ids) {
  { b.template allocate<typename B::scalar>(index{}) } -> holds<typename B::scalar>;
  { b.template allocate<token>(index{}) } -> holds<token>;
  { b.template allocate<std::byte>(index{}) } -> holds<std::byte>;
  b.copy_in(from, index{}, to);
  b.copy_in(ids, index{}, own_ids);
  b.copy_out(from, index{}, to);
};

/// What goes with the elements frees them; a pointer or a span would not.
template <class B>
concept frees_memory = owns_memory<B> && std::movable<decltype(std::declval<B&>().template allocate<typename B::scalar>(index{}))> &&
    !std::is_trivially_destructible_v<decltype(std::declval<B&>().template allocate<typename B::scalar>(index{}))>;

/// States that its pointers are the host's (`static constexpr bool host_memory = true`), so that it can read what others have laid there.
template <class B>
concept computes_in_host_memory = requires { requires B::host_memory; };

/// Elementwise work: `map(n, body)` runs body(lane, i) once for each i in [0, n), in any order.
template <class B>
concept maps_elements = requires(B& b) {
  b.map(index{}, detail::any_elementwise{});
};

/// Row programs: `rows(n, program, scratch)` runs program(team, row) once for each row in [0, n), at most teams() at a time.
template <class B>
concept runs_rows = has_scalar<B> && requires(B& b, team_scratch<typename B::scalar> scratch) {
  b.rows(index{}, detail::any_row_program{}, scratch);
  { b.teams() } -> std::convertible_to<index>;
};

/// Matrix product: `gemm(a, b, c, accumulate)` is c = a·b or c += a·b over strided views.
template <class B>
concept multiplies_matrices = has_scalar<B> && requires(B& b, matrix_view<const typename B::scalar> a, matrix_view<typename B::scalar> c) {
  b.gemm(a, a, c, bool{});
};

/// States whether an element of a product depends on its own row and column alone, to the bit (`static constexpr bool row_exact`).
template <class B>
concept states_row_exactness = requires {
  { B::row_exact } -> std::convertible_to<bool>;
};

/// A call has done its work when it returns, or has put it into the backend's queue. It returns nothing, least of all an expression
/// to be evaluated later, which would refer to views and bodies that are gone by then.
template <class B>
concept works_at_once = maps_elements<B> && runs_rows<B> && multiplies_matrices<B> &&
    requires(B& b, matrix_view<const typename B::scalar> a, matrix_view<typename B::scalar> c, team_scratch<typename B::scalar> scratch) {
  { b.map(index{}, detail::any_elementwise{}) } -> std::same_as<void>;
  { b.rows(index{}, detail::any_row_program{}, scratch) } -> std::same_as<void>;
  { b.gemm(a, a, c, bool{}) } -> std::same_as<void>;
};

template <class B>
concept backend = frees_memory<B> && works_at_once<B> && states_row_exactness<B>;

/// Instantiated by everything that takes a backend, so that its author reads a sentence and not a page.
template <class B> struct require_backend {
  static_assert(has_scalar<B>, "a backend needs a member type `scalar`, the number it computes in (docs/backends.md, Scalar)");
  static_assert(
      owns_memory<B>,
      "a backend needs allocate<U>(n), returning an owner with data() and size(), const ones too, and copy_in/copy_out (docs/backends.md, "
      "Storage)");
  static_assert(
      frees_memory<B> || !owns_memory<B>,
      "allocate<U>(n) must return an owner that can be moved and frees its elements when it goes, not a span or another view of them "
      "(docs/backends.md, Storage)");
  static_assert(maps_elements<B>, "a backend needs map(n, body), which runs body(lane, i) for i in [0, n) (docs/backends.md, Maps)");
  static_assert(runs_rows<B>,
                "a backend needs rows(n, program, scratch), which runs program(team, row), and teams() (docs/backends.md, Rows)");
  static_assert(
      multiplies_matrices<B>,
      "a backend needs gemm(a, b, c, accumulate) over matrix_views, which own nothing, not over containers (docs/backends.md, Product)");
  static_assert(works_at_once<B> || !(maps_elements<B> && runs_rows<B> && multiplies_matrices<B>),
                "map, rows and gemm must do their work and return void, not an expression to be evaluated later (docs/backends.md, Maps)");
  static_assert(states_row_exactness<B>,
                "a backend needs `static constexpr bool row_exact`: do the bits of a row of a product ignore the other rows? "
                "(docs/backends.md, Exactness)");
  static void inspect_teams(B& b) {  // never called: its instantiation is the inspection
    if constexpr (runs_rows<B>) b.rows(index{}, detail::team_inspection{}, team_scratch<typename B::scalar>{});
  }
  static constexpr bool value = (static_cast<void>(&require_backend::inspect_teams), backend<B>);
};

/// The owner of n elements of type U that a backend allocates.
template <class B, class U> using buffer_of = decltype(std::declval<B&>().template allocate<U>(index{}));

}  // namespace tilt
