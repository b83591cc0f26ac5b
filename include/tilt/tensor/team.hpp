// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <limits>
#include <tilt/scalar/scalar.hpp>
#include <tilt/tensor/view.hpp>

namespace tilt {

/// How a body of a loop touches memory: one element at a time. A packet backend has lanes that move a packet at a time, and a
/// padded packet at the tail, with the same three members; a body written as `body(lane, i)` cannot tell.
template <class T> struct scalar_lane {
  using number = T;
  TILT_HD T load(const T* p, index i) const { return p[i]; }
  TILT_HD void store(T* p, index i, const T& value) const { p[i] = value; }
  TILT_HD T position(index i) const { return static_cast<T>(i); }  ///< the element's own index as a number
};

/// The specification of a team: the workers that share a row of a row program. Here one thread, one element at a time, in order.
/// `each`, `sum` and `max` take a body(lane, i) over i in [0, n); `once` runs a function on one worker. All workers see what was
/// written before when any of these returns, and all get the same result of `sum` and `max`.
template <class T> class plain_team {
 public:
  using scalar = T;
  TILT_HD explicit plain_team(T* scratch = nullptr) : scratch_(scratch) {}

  template <class Body> TILT_HD void each(index n, const Body& body) const {
    for (index i = 0; i < n; ++i) body(scalar_lane<T>{}, i);
  }
  template <class Body> TILT_HD T sum(index n, const Body& body) const {
    T total = constant<T>(0);
    for (index i = 0; i < n; ++i) total = total + body(scalar_lane<T>{}, i);
    return total;
  }
  /// Minus infinity for an empty range.
  template <class Body> TILT_HD T max(index n, const Body& body) const {
    T largest = constant<T>(-std::numeric_limits<double>::infinity());
    for (index i = 0; i < n; ++i) {
      const T value = body(scalar_lane<T>{}, i);
      largest = select(largest < value, value, largest);
    }
    return largest;
  }
  template <class Function> TILT_HD void once(const Function& function) const { function(); }

  /// c = a·b, or c += a·b. Each element is the chain s = multiply_add(a_ik, b_kj, s), k ascending, from 0 or from c.
  TILT_HD void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) const {
    for (index i = 0; i < c.extent[0]; ++i)
      for (index j = 0; j < c.extent[1]; ++j) {
        T s = accumulate ? c(i, j) : constant<T>(0);
        for (index k = 0; k < a.extent[1]; ++k) s = multiply_add(a(i, k), b(k, j), s);
        c(i, j) = s;
      }
  }
  /// Memory of this team alone, as much as the caller of rows() gave each team.
  TILT_HD T* scratch() const { return scratch_; }

 private:
  T* scratch_;
};

/// The memory that a call of rows() hands out: `per_team` elements for each of the backend's teams().
template <class T> struct team_scratch {
  T* data = nullptr;
  index per_team = 0;
};

namespace detail {
struct any_body {
  template <class Lane> TILT_HD typename Lane::number operator()(const Lane& lane, index i) const { return lane.position(i); }
};
struct any_elementwise {
  template <class Lane> TILT_HD void operator()(const Lane&, index) const {}
};
struct any_row_program {
  template <class Team> TILT_HD void operator()(const Team& team, index) const { team.each(1, any_elementwise{}); }
};
struct any_function {
  TILT_HD void operator()() const {}
};
}  // namespace detail

template <class Team>
concept runs_each = requires(const Team& t) {
  t.each(index{}, detail::any_elementwise{});
  t.once(detail::any_function{});
};
template <class Team>
concept reduces = requires(const Team& t) {
  { t.sum(index{}, detail::any_body{}) } -> std::same_as<typename Team::scalar>;
  { t.max(index{}, detail::any_body{}) } -> std::same_as<typename Team::scalar>;
};
template <class Team>
concept multiplies_alone = requires(const Team& t, matrix_view<const typename Team::scalar> a, matrix_view<typename Team::scalar> c) {
  { t.gemm(a, a, c, bool{}) } -> std::same_as<void>;
};
template <class Team>
concept has_scratch = requires(const Team& t) {
  { t.scratch() } -> std::same_as<typename Team::scalar*>;
};

/// What a row program may ask of the workers that share its row.
template <class Team>
concept team = runs_each<Team> && reduces<Team> && multiplies_alone<Team> && has_scratch<Team>;

/// Instantiated with the team of every backend, so that its author reads a sentence and not a page.
template <class Team> struct require_team {
  static_assert(runs_each<Team>,
                "a team needs each(n, body), which runs body(lane, i) for i in [0, n), and once(function) (docs/backends.md, Rows)");
  static_assert(
      reduces<Team>,
      "a team needs a member type `scalar`, and sum(n, body) and max(n, body) that return it, one number and not a lane's or an expression "
      "(docs/backends.md, Rows)");
  static_assert(multiplies_alone<Team>,
                "a team needs gemm(a, b, c, accumulate) over matrix_views, which returns void (docs/backends.md, Rows)");
  static_assert(has_scratch<Team>, "a team needs scratch(), returning a pointer to the memory of this team alone (docs/backends.md, Rows)");
  static constexpr bool value = team<Team>;
};

namespace detail {
struct team_inspection {
  template <class Team> TILT_HD void operator()(const Team&, index) const { static_assert(require_team<Team>::value); }
};
}  // namespace detail

}  // namespace tilt
