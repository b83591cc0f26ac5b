// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <tilt/tensor/backend.hpp>
#include <vector>

namespace tilt {

/// The specification: plain loops over standard C++, one thread, any scalar type. Slow and obvious; the others are judged by it.
template <class T> class reference_backend {
 public:
  using scalar = T;
  static constexpr bool row_exact = true;
  static constexpr bool host_memory = true;
  static constexpr const char* name = "reference";

  template <class U> std::vector<U> allocate(index n) { return std::vector<U>(static_cast<std::size_t>(n)); }
  template <class U> void copy_in(const U* host, index n, U* own) { std::copy_n(host, n, own); }
  template <class U> void copy_out(const U* own, index n, U* host) { std::copy_n(own, n, host); }

  template <class Body> void map(index n, const Body& body) { plain_team<T>{}.each(n, body); }

  template <class Program> void rows(index n, const Program& program, team_scratch<T> scratch = {}) {
    const plain_team<T> team(scratch.data);
    for (index row = 0; row < n; ++row) program(team, row);
  }
  index teams() const { return 1; }

  void gemm(matrix_view<const T> a, matrix_view<const T> b, matrix_view<T> c, bool accumulate) {
    plain_team<T>{}.gemm(a, b, c, accumulate);
  }
};

static_assert(team<plain_team<double>>);
static_assert(backend<reference_backend<double>>);

}  // namespace tilt
