// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// A SIMD value: as many numbers as a register holds, with arithmetic, comparisons to masks, and elementary functions.
template <class P>
concept packet = requires(P p, const typename P::scalar* from, typename P::scalar* to, typename P::mask m) {
  { P::size } -> std::convertible_to<int>;
  { P::load(from) } -> std::same_as<P>;
  { P::broadcast(*from) } -> std::same_as<P>;
  { P::iota(*from) } -> std::same_as<P>;
  { P::first_lanes(1) } -> std::same_as<typename P::mask>;
  p.store(to);
  { p + p } -> std::same_as<P>;
  { p < p } -> std::same_as<typename P::mask>;
  { select(m, p, p) } -> std::same_as<P>;
  { multiply_add(p, p, p) } -> std::same_as<P>;
  { exp(p) } -> std::same_as<P>;
  { reduce_add(p) } -> std::same_as<typename P::scalar>;
};

template <packet P> struct constant_of<P> {
  static P from(double x) { return P::broadcast(static_cast<typename P::scalar>(x)); }
};

}  // namespace tilt
