// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the suite's files share: arrays in a backend's memory, random matrices of every layout.
#include <algorithm>
#include <concepts>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/tolerance.hpp>
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/reference.hpp>
#include <vector>

namespace tilt::test {

/// Elements in the memory of backend B, and the way there and back.
template <class U, class B> class own_array {
 public:
  own_array(B& backend, const std::vector<U>& host)
      : backend_(&backend), buffer_(backend.template allocate<U>(ssize(host))), size_(ssize(host)) {
    backend.copy_in(host.data(), size_, data());
  }
  U* data() { return static_cast<U*>(buffer_.data()); }
  std::vector<U> host() {
    std::vector<U> copy(static_cast<std::size_t>(size_));
    backend_->copy_out(data(), size_, copy.data());
    return copy;
  }

 private:
  // Bounded in so many words: g++ 12 else believes that a vector may be larger than memory, and warns where an allocation is inlined.
  static index ssize(const std::vector<U>& v) { return std::clamp<index>(static_cast<index>(v.size()), 0, index{1} << 40); }
  B* backend_;
  buffer_of<B, U> buffer_;
  index size_;
};
template <class U, class B> own_array<U, B> own(B& backend, const std::vector<U>& host) { return {backend, host}; }

/// A backend whose threads can be counted is also run with 1, 2 and 3 of them; its bits must not know.
template <class B>
concept counts_threads = std::constructible_from<B, int> && B::row_exact;

/// Calls run(backend) for each way in which the suite sets the backend up.
template <class B, class Run> void for_each_setting(const Run& run) {
  if constexpr (counts_threads<B>) {
    for (int threads : {1, 2, 3}) {
      INFO("threads: " << threads);
      B backend(threads);
      run(backend);
    }
  } else {
    B backend;
    run(backend);
  }
}

/// Where a matrix's elements lie: rows end to end, columns end to end, gaps between the rows, or gaps everywhere.
enum class layout { rows, columns, padded_rows, padded_columns, scattered };
inline constexpr layout layouts[] = {layout::rows, layout::columns, layout::padded_rows, layout::padded_columns, layout::scattered};

/// A random matrix on the host, with whatever lies between its elements.
template <class T> struct random_matrix {
  std::vector<T> memory;
  index extent[2], stride[2] = {0, 0}, begin;

  random_matrix(index rows, index columns, layout l, std::mt19937_64& random) : extent{rows, columns} {
    switch (l) {
      case layout::rows:
        stride[0] = columns, stride[1] = 1;
        break;
      case layout::columns:
        stride[0] = 1, stride[1] = rows;
        break;
      case layout::padded_rows:
        stride[0] = columns + 3, stride[1] = 1;
        break;
      case layout::padded_columns:
        stride[0] = 1, stride[1] = rows + 5;
        break;
      case layout::scattered:
        stride[0] = 2 * columns + 3, stride[1] = 2;
        break;
    }
    begin = static_cast<index>(random() % 5);  // no alignment is promised
    memory.resize(static_cast<std::size_t>(begin + rows * stride[0] + columns * stride[1] + 7));
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (T& x : memory) x = static_cast<T>(uniform(random));
  }
  template <class U> matrix_view<U> in(U* data) const { return {data + begin, {extent[0], extent[1]}, {stride[0], stride[1]}}; }
  matrix_view<const T> view() const { return in<const T>(memory.data()); }
  index at(index i, index j) const { return begin + i * stride[0] + j * stride[1]; }
};

template <class T> std::vector<T> random_vector(index n, std::mt19937_64& random, double low = -1, double high = 1) {
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = static_cast<T>(uniform(random));
  return v;
}

/// Lengths around every packet's size, and some long ones.
inline const std::vector<index> lengths = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1000};

}  // namespace tilt::test
