// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <new>
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/packet_team.hpp>
#include <tilt/tensor/threads.hpp>
#include <type_traits>
#include <utility>

namespace tilt {

/// n elements of host memory that begin on a cache line; zero at first.
template <class U> class aligned_buffer {
  static_assert(std::is_trivially_copyable_v<U> && std::is_trivially_destructible_v<U>);

 public:
  explicit aligned_buffer(index n) : data_(static_cast<U*>(::operator new(static_cast<std::size_t>(n) * sizeof(U), alignment))), size_(n) {
    std::fill_n(data_, n, U{});
  }
  aligned_buffer(aligned_buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  aligned_buffer& operator=(aligned_buffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~aligned_buffer() { ::operator delete(data_, alignment); }

  U* data() { return data_; }
  const U* data() const { return data_; }
  index size() const { return size_; }

 private:
  static constexpr std::align_val_t alignment{64};
  U* data_;
  index size_;
};

/// How a CPU backend multiplies unless it is told to use another library's product: by packed_gemm, whose bits do not depend on the other
/// rows.
struct packed_product {};

/// What the CPU backends share: the four primitives on a packet type P and a pool of workers. Results do not depend on the number of
/// workers: whoever does a piece of work, it is the same piece, done in the same order. One thread at a time may use a backend.
template <packet P, worker_pool Pool = threads> class packet_backend {
 public:
  using scalar = typename P::scalar;
  static constexpr bool row_exact = true;
  static constexpr bool host_memory = true;

  /// `threads` = 0: as many as the hardware has.
  explicit packet_backend(int threads = 0) : pool_(threads), gemm_scratch_(pool_.size() * packed_gemm<P>::workspace) {}

  template <class U> aligned_buffer<U> allocate(index n) { return aligned_buffer<U>(n); }
  template <class U> void copy_in(const U* host, index n, U* own) { std::copy_n(host, n, own); }
  template <class U> void copy_out(const U* own, index n, U* host) { std::copy_n(own, n, host); }

  template <class Body> void map(index n, const Body& body) {
    pool_.run((n + map_chunk - 1) / map_chunk, [&](index job, int) {
      const index end = std::min(n, (job + 1) * map_chunk);
      index i = job * map_chunk;
      for (; i + P::size <= end; i += P::size) body(packet_lane<P>{}, i);
      if (i < end) body(partial_lane<P>{static_cast<int>(end - i)}, i);
    });
  }

  template <class Program> void rows(index n, const Program& program, team_scratch<scalar> scratch = {}) {
    const index group = std::max<index>(1, n / (8 * teams()));  // a claim costs as much as a short row
    pool_.run((n + group - 1) / group, [&](index job, int thread) {
      const packet_team<P> team(scratch.data ? scratch.data + thread * scratch.per_team : nullptr, gemm_scratch_of(thread));
      for (index row = job * group; row < std::min(n, (job + 1) * group); ++row) program(team, row);
    });
  }
  index teams() const { return pool_.size(); }

  void gemm(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate) {
    packed_gemm<P>::multiply(pool_, a, b, c, accumulate, gemm_scratch_.data());
  }

 protected:
  Pool& pool() { return pool_; }

  /// For a product of a library's own: multiply(a, b, c) once for each thread's piece, cut along the longer side of c. Where c lies in
  /// columns it is the transposed product that is cut.
  template <class Multiply>
  void multiply_in_pieces(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, const Multiply& multiply) {
    if (c.stride[1] != 1 && c.stride[0] == 1) {
      a = std::exchange(b, transposed(a));
      a = transposed(a);
      c = transposed(c);
    }
    const bool by_rows = c.extent[0] >= c.extent[1];
    const index longer = c.extent[by_rows ? 0 : 1], piece = (longer + teams() - 1) / teams();
    if (longer == 0) return;
    pool_.run((longer + piece - 1) / piece, [&](index job, int) {
      const index begin = job * piece, count = std::min(piece, longer - begin);
      if (by_rows)
        multiply(row_range(a, begin, count), b, row_range(c, begin, count));
      else
        multiply(a, column_range(b, begin, count), column_range(c, begin, count));
    });
  }

 private:
  static constexpr index map_chunk = 16384;
  static_assert(map_chunk % P::size == 0);

  scalar* gemm_scratch_of(int thread) { return gemm_scratch_.data() + thread * packed_gemm<P>::workspace; }

  Pool pool_;
  aligned_buffer<scalar> gemm_scratch_;
};

}  // namespace tilt
