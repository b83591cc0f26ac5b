// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <limits>
#include <tilt/tensor/backend.hpp>
#include <valarray>

// A whole backend on std::valarray and plain loops: what docs/backends.md, "Write a backend in a day", walks through.
namespace tiny {

using tilt::index, tilt::matrix_view, tilt::multiply_add, tilt::team_scratch;

// --- Storage ---

/// n elements of U that are freed with it. It can be moved; nobody asks for a copy, and a copy would be other memory.
template <class U> class buffer {
 public:
  explicit buffer(index n) : elements_(static_cast<std::size_t>(n)) {}
  buffer(buffer&&) = default;
  buffer& operator=(buffer&&) = default;

  U* data() { return size() > 0 ? &elements_[0] : nullptr; }  // an empty valarray has no first element
  const U* data() const { return size() > 0 ? &elements_[0] : nullptr; }
  index size() const { return static_cast<index>(elements_.size()); }

 private:
  std::valarray<U> elements_;
};

// --- Lane ---

/// How a body touches memory: here one element at a time. A lane whose number is a SIMD register moves as many as it holds, and then needs
/// a second one for the last, shorter piece.
template <class T> struct lane {
  using number = T;
  T load(const T* p, index i) const { return p[i]; }
  void store(T* p, index i, const T& value) const { p[i] = value; }
  T position(index i) const { return static_cast<T>(i); }
};

// --- Product ---

/// c = a·b, or c += a·b. Each element is the chain s = multiply_add(a_ik, b_kj, s), k ascending, from 0 or from what was in c, whatever the
/// order of the loops: that is what row_exact promises.
template <class T> void multiply(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
  const index rows = c.extent[0], columns = c.extent[1], depth = a.extent[1];
  if (b.stride[1] == 1 && c.stride[1] == 1) {  // a row of c at a time: the inner loop runs along memory, and becomes SIMD
    for (index i = 0; i < rows; ++i) {
      T* const row = c.data + i * c.stride[0];
      if (!accumulate) std::fill_n(row, columns, T(0));
      for (index k = 0; k < depth; ++k) {
        const T factor = a(i, k);
        const T* const other = b.data + k * b.stride[0];
        for (index j = 0; j < columns; ++j) row[j] = multiply_add(factor, other[j], row[j]);
      }
    }
    return;
  }
  for (index i = 0; i < rows; ++i)
    for (index j = 0; j < columns; ++j) {
      T s = accumulate ? c(i, j) : T(0);
      for (index k = 0; k < depth; ++k) s = multiply_add(a(i, k), b(k, j), s);
      c(i, j) = s;
    }
}

// --- Team ---

/// The workers that share a row of a row program: here one, so there is nothing to wait for and `once` is a call.
template <class T> class team {
 public:
  using scalar = T;
  explicit team(T* scratch) : scratch_(scratch) {}

  template <class Body> void each(index n, const Body& body) const {
    for (index i = 0; i < n; ++i) body(lane<T>{}, i);
  }
  template <class Body> T sum(index n, const Body& body) const {
    T total = 0;
    for (index i = 0; i < n; ++i) total += body(lane<T>{}, i);
    return total;
  }
  template <class Body> T max(index n, const Body& body) const {
    T largest = -std::numeric_limits<T>::infinity();
    for (index i = 0; i < n; ++i) {
      const T value = body(lane<T>{}, i);
      if (largest < value) largest = value;  // false for NaN, which is skipped
    }
    return largest;
  }
  template <class Function> void once(const Function& function) const { function(); }
  void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) const { multiply(a, b, c, accumulate); }
  T* scratch() const { return scratch_; }

 private:
  T* scratch_;
};

// --- Backend ---

template <class T> class backend {
 public:
  using scalar = T;
  static constexpr bool row_exact = true;

  template <class U> buffer<U> allocate(index n) { return buffer<U>(n); }
  template <class U> void copy_in(const U* host, index n, U* own) { std::copy_n(host, n, own); }
  template <class U> void copy_out(const U* own, index n, U* host) { std::copy_n(own, n, host); }

  template <class Body> void map(index n, const Body& body) { team<T>(nullptr).each(n, body); }

  template <class Program> void rows(index n, const Program& program, team_scratch<T> scratch = {}) {
    const team<T> one(scratch.data);  // teams() is 1, so all of the scratch is this team's
    for (index row = 0; row < n; ++row) program(one, row);
  }
  index teams() const { return 1; }

  void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) { multiply(a, b, c, accumulate); }
};

static_assert(tilt::team<team<float>> && tilt::backend<backend<float>>);  // its author reads what is missing, not its user

}  // namespace tiny
