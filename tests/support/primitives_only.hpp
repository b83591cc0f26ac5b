// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/tensor/backend.hpp>

namespace tilt::test {

/// A backend's primitives without its fast paths: what is composed, on the same memory and by the same workers.
template <class B> class primitives_only {
 public:
  using scalar = typename B::scalar;
  static constexpr bool row_exact = B::row_exact;

  explicit primitives_only(B& whole) : whole_(&whole) {}

  template <class U> auto allocate(index n) { return whole_->template allocate<U>(n); }
  template <class U> void copy_in(const U* host, index n, U* own) { whole_->copy_in(host, n, own); }
  template <class U> void copy_out(const U* own, index n, U* host) { whole_->copy_out(own, n, host); }
  template <class Body> void map(index n, const Body& body) { whole_->map(n, body); }
  template <class Program> void rows(index n, const Program& program, team_scratch<scalar> scratch = {}) {
    whole_->rows(n, program, scratch);
  }
  index teams() const { return whole_->teams(); }
  void gemm(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate) {
    whole_->gemm(a, b, c, accumulate);
  }

 private:
  B* whole_;
};

}  // namespace tilt::test
