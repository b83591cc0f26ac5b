// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <type_traits>
#include <tilt/scalar/config.hpp>

namespace tilt {

/// A SIMD register as a plain value: P::size numbers of type P::scalar that are worked on at once. Comparisons answer with a mask, one
/// truth value a lane, and select(mask, a, b) picks lane by lane. Functions are found by argument-dependent lookup, so that what is
/// written over a scalar runs on packets. A number becomes a packet, with itself in every lane, without being asked to.
/// reduce_add and reduce_max use one fixed order, which depends on nothing but P.
template <class P>
concept packet = std::semiregular<P> && std::convertible_to<typename P::scalar, P> &&
                 requires(const P p, const typename P::mask m, const typename P::scalar* from, typename P::scalar* to, typename P::scalar x) {
                   typename std::integral_constant<int, P::size>;
                   { P::load(from) } -> std::same_as<P>;
                   { P::broadcast(x) } -> std::same_as<P>;
                   { P::iota(x) } -> std::same_as<P>;  // x, x + 1, x + 2, …
                   { P::first_lanes(int{}) } -> std::same_as<typename P::mask>;
                   p.store(to);
                   { p + p } -> std::same_as<P>;
                   { p - p } -> std::same_as<P>;
                   { p * p } -> std::same_as<P>;
                   { p / p } -> std::same_as<P>;
                   { -p } -> std::same_as<P>;
                   { p < p } -> std::same_as<typename P::mask>;
                   { p <= p } -> std::same_as<typename P::mask>;
                   { p > p } -> std::same_as<typename P::mask>;
                   { p >= p } -> std::same_as<typename P::mask>;
                   { p == p } -> std::same_as<typename P::mask>;
                   { m & m } -> std::same_as<typename P::mask>;
                   { m | m } -> std::same_as<typename P::mask>;
                   { !m } -> std::same_as<typename P::mask>;
                   { select(m, p, p) } -> std::same_as<P>;
                   { multiply_add(p, p, p) } -> std::same_as<P>;
                   { exp(p) } -> std::same_as<P>;
                   { log(p) } -> std::same_as<P>;
                   { log1p(p) } -> std::same_as<P>;
                   { expm1(p) } -> std::same_as<P>;
                   { sqrt(p) } -> std::same_as<P>;
                   { tanh(p) } -> std::same_as<P>;
                   { erf(p) } -> std::same_as<P>;
                   { abs(p) } -> std::same_as<P>;
                   { min(p, p) } -> std::same_as<P>;
                   { max(p, p) } -> std::same_as<P>;
                   { reduce_add(p) } -> std::same_as<typename P::scalar>;
                   { reduce_max(p) } -> std::same_as<typename P::scalar>;
                 };

/// f of every lane by itself, for a function that has no SIMD form.
template <class P, class Function> P each_lane(const P& x, const Function& f) {
  alignas(P) typename P::scalar lane[P::size];
  x.store(lane);
  for (auto& value : lane) value = f(value);
  return P::load(lane);
}

}  // namespace tilt
