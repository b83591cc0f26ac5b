// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <limits>
#include <tilt/tensor/packed_gemm.hpp>
#include <tilt/tensor/team.hpp>

namespace tilt {

/// Moves P::size elements at a time.
template <packet P> struct packet_lane {
  using number = P;
  P load(const typename P::scalar* p, index i) const { return P::load(p + i); }
  void store(typename P::scalar* p, index i, const P& value) const { value.store(p + i); }
  P position(index i) const { return P::iota(static_cast<typename P::scalar>(i)); }
};

/// The end of a row, fewer than P::size elements: they go through a padded packet (zeros beyond them) and the same arithmetic as
/// whole packets, since a packet's exp and a scalar's do not agree to the last bit. Touches no memory beyond the live elements.
template <packet P> struct partial_lane {
  using number = P;
  int live;

  P load(const typename P::scalar* p, index i) const {
    alignas(P) typename P::scalar lane[P::size] = {};
    for (int j = 0; j < live; ++j) lane[j] = p[i + j];
    return P::load(lane);
  }
  void store(typename P::scalar* p, index i, const P& value) const {
    alignas(P) typename P::scalar lane[P::size];
    value.store(lane);
    for (int j = 0; j < live; ++j) p[i + j] = lane[j];
  }
  P position(index i) const { return P::iota(static_cast<typename P::scalar>(i)); }
};

/// A team of one thread that works on packets. What `sum` returns depends on n and the values alone, never on addresses or alignment:
/// packet q goes to the sum q mod 4, the last one with its dead lanes at 0, and the four are added as (0 + 1) + (2 + 3).
template <packet P> class packet_team {
 public:
  using scalar = typename P::scalar;

  /// `gemm_scratch`: packed_gemm<P>::workspace elements.
  packet_team(scalar* scratch, scalar* gemm_scratch) : scratch_(scratch), gemm_scratch_(gemm_scratch) {}

  template <class Body> void each(index n, const Body& body) const {
    index i = 0;
    for (; i + P::size <= n; i += P::size) body(packet_lane<P>{}, i);
    if (i < n) body(partial_lane<P>{static_cast<int>(n - i)}, i);
  }

  template <class Body> scalar sum(index n, const Body& body) const {
    return reduce_add(reduce(n, P::broadcast(scalar(0)), body, [](P a, P b) { return a + b; }));
  }
  /// Minus infinity for an empty range; skips NaNs, as plain_team does.
  template <class Body> scalar max(index n, const Body& body) const {
    return reduce_max(
        reduce(n, P::broadcast(-std::numeric_limits<scalar>::infinity()), body, [](P a, P b) { return select(a < b, b, a); }));
  }

  template <class Function> void once(const Function& function) const { function(); }

  void gemm(matrix_view<const scalar> a, matrix_view<const scalar> b, matrix_view<scalar> c, bool accumulate) const {
    packed_gemm<P>::multiply(a, b, c, accumulate, gemm_scratch_);
  }
  scalar* scratch() const { return scratch_; }

 private:
  template <class Body, class Combine> static P reduce(index n, P neutral, const Body& body, const Combine& combine) {
    const packet_lane<P> lane;
    P s0 = neutral, s1 = neutral, s2 = neutral, s3 = neutral;
    index i = 0;
    for (; i + 4 * P::size <= n; i += 4 * P::size) {
      s0 = combine(s0, body(lane, i));
      s1 = combine(s1, body(lane, i + P::size));
      s2 = combine(s2, body(lane, i + 2 * P::size));
      s3 = combine(s3, body(lane, i + 3 * P::size));
    }
    P s[4] = {s0, s1, s2, s3};
    int q = 0;
    for (; i + P::size <= n; i += P::size, ++q) s[q] = combine(s[q], body(lane, i));
    if (i < n) {
      const int live = static_cast<int>(n - i);
      s[q] = combine(s[q], select(P::first_lanes(live), body(partial_lane<P>{live}, i), neutral));
    }
    return combine(combine(s[0], s[1]), combine(s[2], s[3]));
  }

  scalar* scratch_;
  scalar* gemm_scratch_;
};

}  // namespace tilt
