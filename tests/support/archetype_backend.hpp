// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstring>
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/reference.hpp>
#include <vector>

namespace tilt::test {

/// A number with what the library may use of a lane's number and nothing else: no conversions but from the scalar, no branches on
/// comparisons (they answer with a type that is not bool), no compound assignment.
struct archetype_number {
  double value;
  struct mask {
    bool held;
    friend mask operator&(mask a, mask b) { return {a.held && b.held}; }
    friend mask operator|(mask a, mask b) { return {a.held || b.held}; }
    friend mask operator!(mask a) { return {!a.held}; }
  };

  archetype_number() = default;
  archetype_number(double x) : value(x) {}

  friend archetype_number operator+(archetype_number a, archetype_number b) { return a.value + b.value; }
  friend archetype_number operator-(archetype_number a, archetype_number b) { return a.value - b.value; }
  friend archetype_number operator*(archetype_number a, archetype_number b) { return a.value * b.value; }
  friend archetype_number operator/(archetype_number a, archetype_number b) { return a.value / b.value; }
  friend archetype_number operator-(archetype_number a) { return -a.value; }
  friend mask operator<(archetype_number a, archetype_number b) { return {a.value < b.value}; }
  friend mask operator<=(archetype_number a, archetype_number b) { return {a.value <= b.value}; }
  friend mask operator>(archetype_number a, archetype_number b) { return {a.value > b.value}; }
  friend mask operator>=(archetype_number a, archetype_number b) { return {a.value >= b.value}; }
  friend mask operator==(archetype_number a, archetype_number b) { return {a.value == b.value}; }
  friend archetype_number select(mask m, archetype_number a, archetype_number b) { return m.held ? a : b; }
  friend archetype_number multiply_add(archetype_number a, archetype_number b, archetype_number c) {
    return tilt::multiply_add(a.value, b.value, c.value);
  }
  friend archetype_number exp(archetype_number x) { return std::exp(x.value); }
  friend archetype_number log(archetype_number x) { return std::log(x.value); }
  friend archetype_number log1p(archetype_number x) { return std::log1p(x.value); }
  friend archetype_number expm1(archetype_number x) { return std::expm1(x.value); }
  friend archetype_number sqrt(archetype_number x) { return std::sqrt(x.value); }
  friend archetype_number tanh(archetype_number x) { return std::tanh(x.value); }
  friend archetype_number erf(archetype_number x) { return std::erf(x.value); }
  friend archetype_number abs(archetype_number x) { return std::abs(x.value); }
};

struct archetype_lane {
  using number = archetype_number;
  archetype_number load(const double* p, index i) const { return p[i]; }
  void store(double* p, index i, const archetype_number& value) const { p[i] = value.value; }
  archetype_number position(index i) const { return static_cast<double>(i); }
};

/// The least that the concept `team` asks for.
class archetype_team {
 public:
  using scalar = double;
  explicit archetype_team(double* scratch) : scratch_(scratch) {}
  archetype_team(const archetype_team&) = delete;

  template <class Body> void each(index n, const Body& body) const {
    for (index i = n; i-- > 0;) body(archetype_lane{}, i);  // no order is promised
  }
  template <class Body> double sum(index n, const Body& body) const {
    double total = 0;
    for (index i = n; i-- > 0;) total += archetype_number(body(archetype_lane{}, i)).value;
    return total;
  }
  template <class Body> double max(index n, const Body& body) const {
    double largest = -std::numeric_limits<double>::infinity();
    for (index i = n; i-- > 0;) largest = std::fmax(largest, archetype_number(body(archetype_lane{}, i)).value);
    return largest;
  }
  template <class Function> void once(const Function& function) const { function(); }
  void gemm(matrix_view<const double> a, matrix_view<const double> b, matrix_view<double> c, bool accumulate) const {
    plain_team<double>{}.gemm(a, b, c, accumulate);
  }
  double* scratch() const { return scratch_; }

 private:
  double* scratch_;
};

/// The least that the concept `backend` asks for: an algorithm that compiles with it needs nothing else. Its buffers can be moved and
/// no more, it can be neither copied nor moved, and it says nothing of a name.
class archetype_backend {
 public:
  using scalar = double;
  static constexpr bool row_exact = true;

  archetype_backend() = default;
  archetype_backend(const archetype_backend&) = delete;
  archetype_backend& operator=(const archetype_backend&) = delete;

  template <class U> class owner {
   public:
    explicit owner(index n) : elements_(static_cast<std::size_t>(n)) {
      if (n > 0) std::memset(elements_.data(), 0xff, elements_.size() * sizeof(U));  // NaN: nobody may count on zeros
    }
    owner(owner&&) = default;
    owner& operator=(owner&&) = default;
    U* data() { return elements_.data(); }
    const U* data() const { return elements_.data(); }
    index size() const { return static_cast<index>(elements_.size()); }

   private:
    std::vector<U> elements_;
  };
  template <class U> owner<U> allocate(index n) { return owner<U>(n); }
  template <class U> void copy_in(const U* host, index n, U* own) {
    for (index i = 0; i < n; ++i) own[i] = host[i];
  }
  template <class U> void copy_out(const U* own, index n, U* host) { copy_in(own, n, host); }

  template <class Body> void map(index n, const Body& body) { archetype_team(nullptr).each(n, body); }
  template <class Program> void rows(index n, const Program& program, team_scratch<double> scratch = {}) {
    const archetype_team team(scratch.data);
    for (index row = n; row-- > 0;) program(team, row);
  }
  index teams() const { return 1; }
  void gemm(matrix_view<const double> a, matrix_view<const double> b, matrix_view<double> c, bool accumulate) {
    archetype_team(nullptr).gemm(a, b, c, accumulate);
  }
};

static_assert(team<archetype_team> && backend<archetype_backend>);

}  // namespace tilt::test

namespace tilt {
template <> struct constant_of<test::archetype_number> {
  static test::archetype_number from(double x) { return x; }
};
}  // namespace tilt
