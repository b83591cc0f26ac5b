// SPDX-License-Identifier: Apache-2.0
#pragma once
#if defined(__CUDACC__)
#error "tilt/backend/xtensor.hpp is host code: compile it with the host compiler, or use thrust_backend in CUDA sources"
#endif
#if !__has_include(<xsimd/xsimd.hpp>)
#error "tilt/backend/xtensor.hpp needs xsimd (Debian: libxsimd-dev): put its headers on the include path, or use eigen_backend"
#endif
#include <xsimd/xsimd.hpp>
#if defined(XSIMD_NO_SUPPORTED_ARCHITECTURE)
#error "tilt/backend/xtensor.hpp: xsimd has no SIMD registers for this target: compile for one that has, or use reference_backend"
#endif
#if XSIMD_VERSION_MAJOR < 8
#error "tilt/backend/xtensor.hpp needs xsimd 8 or later"
#endif
#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <tilt/scalar/packet.hpp>
#include <tilt/scalar/scalar.hpp>
#include <utility>

namespace tilt {

namespace detail {

// a·b + c, in one operation exactly where the scalar multiply_add is. xsimd 8 has none for AVX-512, and rounds twice there.
template <class Batch> Batch fused(const Batch& a, const Batch& b, const Batch& c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return xsimd::fma(a, b, c);
#else
  return a * b + c;
#endif
}
#ifdef __AVX512F__
inline xsimd::batch<float> fused(xsimd::batch<float> a, xsimd::batch<float> b, xsimd::batch<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline xsimd::batch<double> fused(xsimd::batch<double> a, xsimd::batch<double> b, xsimd::batch<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
#endif

// The correctly rounded square root: xsimd 8 has an approximation for floats on ARM.
template <class Batch> Batch correct_sqrt(const Batch& x) { return xsimd::sqrt(x); }
#ifdef __aarch64__
inline xsimd::batch<float> correct_sqrt(xsimd::batch<float> x) { return vsqrtq_f32(x); }
#endif

}  // namespace detail

/// A SIMD packet of xsimd's as a plain value: as many numbers as the build's instruction set holds in a register. Models `packet`.
/// min and max are std::min's and std::max's in each lane, NaNs included. Elementary functions are xsimd's where they hold over the
/// whole line, infinities, NaN and subnormal numbers included, and are corrected where they do not. What a lane gets depends on that lane alone.
template <class T>
requires std::same_as<T, float> || std::same_as<T, double>
class xtensor_packet {
 public:
  using scalar = T;
  using native = xsimd::batch<T>;
  using mask = typename native::batch_bool_type;
  static constexpr int size = static_cast<int>(native::size);

  xtensor_packet() = default;
  xtensor_packet(T value) : x_(value) {}

  static xtensor_packet load(const T* p) { return wrap(native::load_unaligned(p)); }
  static xtensor_packet broadcast(T value) { return xtensor_packet(value); }
  /// first, first + 1, first + 2, …
  static xtensor_packet iota(T first) { return wrap(native::load_unaligned(lane_numbers.data()) + native(first)); }
  static mask first_lanes(int n) { return iota(T(0)) < xtensor_packet(static_cast<T>(n)); }
  void store(T* p) const { x_.store_unaligned(p); }

  /// A size × size block, rows and columns exchanged. xsimd 8 has no such function, and its zip_lo and zip_hi are not those of later ones.
  static void transpose(xtensor_packet* rows) { transpose(rows, lanes{}); }

  friend xtensor_packet operator+(xtensor_packet a, xtensor_packet b) { return wrap(a.x_ + b.x_); }
  friend xtensor_packet operator-(xtensor_packet a, xtensor_packet b) { return wrap(a.x_ - b.x_); }
  friend xtensor_packet operator*(xtensor_packet a, xtensor_packet b) { return wrap(a.x_ * b.x_); }
  friend xtensor_packet operator/(xtensor_packet a, xtensor_packet b) { return wrap(a.x_ / b.x_); }
  /// xsimd 8 computes 0 − a on AVX-512, which loses the sign of zero.
  friend xtensor_packet operator-(xtensor_packet a) { return wrap(native(T(-0.0)) - a.x_); }
  xtensor_packet& operator+=(xtensor_packet b) { return *this = *this + b; }
  xtensor_packet& operator-=(xtensor_packet b) { return *this = *this - b; }
  xtensor_packet& operator*=(xtensor_packet b) { return *this = *this * b; }
  xtensor_packet& operator/=(xtensor_packet b) { return *this = *this / b; }

  friend mask operator<(xtensor_packet a, xtensor_packet b) { return a.x_ < b.x_; }
  friend mask operator<=(xtensor_packet a, xtensor_packet b) { return a.x_ <= b.x_; }
  friend mask operator>(xtensor_packet a, xtensor_packet b) { return b.x_ < a.x_; }
  friend mask operator>=(xtensor_packet a, xtensor_packet b) { return b.x_ <= a.x_; }
  friend mask operator==(xtensor_packet a, xtensor_packet b) { return a.x_ == b.x_; }

  friend xtensor_packet select(mask m, xtensor_packet a, xtensor_packet b) { return wrap(xsimd::select(m, a.x_, b.x_)); }
  /// a·b + c, fused where the scalar multiply_add is.
  friend xtensor_packet multiply_add(xtensor_packet a, xtensor_packet b, xtensor_packet c) { return wrap(detail::fused(a.x_, b.x_, c.x_)); }
  friend xtensor_packet min(xtensor_packet a, xtensor_packet b) { return select(b < a, b, a); }
  friend xtensor_packet max(xtensor_packet a, xtensor_packet b) { return select(a < b, b, a); }
  friend xtensor_packet abs(xtensor_packet a) { return wrap(xsimd::abs(a.x_)); }
  friend xtensor_packet sqrt(xtensor_packet a) { return wrap(detail::correct_sqrt(a.x_)); }

  /// xsimd gives 0 below −88.4 (float; double −708.4) and ∞ above 88.4 (709.8): far out this works on x ± s and scales by e^∓s, which
  /// rounds to subnormal numbers and then 0, and overflows where it should.
  friend xtensor_packet exp(xtensor_packet x) {
    const xtensor_packet zero(T(0)), one(T(1)), from(far), step(shift);
    const mask down = x < -from, up = from < x;
    const xtensor_packet moved = x + select(down, step, select(up, -step, zero));
    return wrap(xsimd::exp(moved.x_)) * select(down, xtensor_packet(shrink), select(up, xtensor_packet(grow), one));
  }
  /// xsimd 8 takes the exponent of a subnormal double for that of a normal one: they are scaled first.
  friend xtensor_packet log(xtensor_packet x) {
    const mask tiny = x < xtensor_packet(std::numeric_limits<T>::min());
    const xtensor_packet scale(single ? T(16777216) : T(18014398509481984)),
        exponent(single ? T(16.635532333438686) : T(37.42994775023705));
    const xtensor_packet y = wrap(xsimd::log(select(tiny, x * scale, x).x_));
    return select(tiny, y - exponent, y);
  }
  friend xtensor_packet log1p(xtensor_packet x) { return wrap(xsimd::log1p(x.x_)); }
  /// Far above zero as exp is.
  friend xtensor_packet expm1(xtensor_packet x) {
    const xtensor_packet zero(T(0)), one(T(1));
    const mask up = xtensor_packet(far) < x;
    const xtensor_packet moved = x - select(up, xtensor_packet(shift), zero);
    return wrap(xsimd::expm1(moved.x_)) * select(up, xtensor_packet(grow), one);
  }
  friend xtensor_packet tanh(xtensor_packet x) { return wrap(xsimd::tanh(x.x_)); }
  /// In double xsimd is 70 units in the last place off from 2.2 on, and NaN where the argument's square overflows.
  friend xtensor_packet erf(xtensor_packet x) {
    if constexpr (single)
      return wrap(xsimd::erf(x.x_));
    else
      return each_lane(x, [](T lane) { return std::erf(lane); });
  }

  /// The sum of the lanes: the upper half onto the lower one, until one is left.
  friend T reduce_add(xtensor_packet a) {
    return fold<size / 2>(a, [](auto x, auto y) { return x + y; });
  }
  friend T reduce_max(xtensor_packet a) {
    return fold<size / 2>(a, [](auto x, auto y) { return max(x, y); });
  }

 private:
  static constexpr bool single = sizeof(T) == 4;
  // Beyond ±far, exp moves its argument by shift; shrink = e^−shift, grow = e^shift.
  static constexpr T far = single ? T(80) : T(700), shift = single ? T(40) : T(100);
  static constexpr T shrink = single ? T(4.248354255291589e-18) : T(3.720075976020836e-44);
  static constexpr T grow = single ? T(2.3538526683702e+17) : T(2.6881171418161356e+43);

  static constexpr std::array<T, native::size> lane_numbers = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<T, native::size>{static_cast<T>(I)...};
  }
  (std::make_index_sequence<native::size>{});

  using lanes = std::make_integer_sequence<int, size>;
  using vector = typename native::register_type;
  struct block_of_rows {
    vector row[size];
  };
  static constexpr int block = 16 / sizeof(T);  // what most instructions move elements within

  /// Lane j is a's lane From[j], or b's lane From[j] − size.
  template <int... From> static vector shuffle(const vector& a, const vector& b) { return __builtin_shufflevector(a, b, From...); }

  template <int... I> static void transpose(xtensor_packet* rows, std::integer_sequence<int, I...> all) {
    const block_of_rows mixed = interleaved<1>({{rows[I].x_...}}, all), result = exchanged<block>(mixed, all);
    ((rows[I] = wrap(native(result.row[I]))), ...);
  }
  /// The lower (Half = 0) or upper halves of each block of a and b, an element of each in turn.
  template <int Half, int... J> static vector interleave(const vector& a, const vector& b, std::integer_sequence<int, J...>) {
    return shuffle<(J / block * block + Half * (block / 2) + J % block / 2 + J % 2 * size)...>(a, b);
  }
  /// Rows and columns exchanged in each block × block block: a perfect shuffle of its elements, as often as block can be halved.
  template <int Done, int... I> static block_of_rows interleaved(const block_of_rows& r, std::integer_sequence<int, I...> all) {
    if constexpr (Done == block)
      return r;
    else
      return interleaved<2 * Done>(
          {{interleave<I % 2>(r.row[I / block * block + I % block / 2], r.row[I / block * block + I % block / 2 + block / 2], all)...}},
          all);
  }
  /// The blocks of Width elements of a and b with even numbers, or with odd ones, a block of each in turn.
  template <int Width, bool Odd, int... J>
  static vector every_other_block(const vector& a, const vector& b, std::integer_sequence<int, J...>) {
    return shuffle<((J & Width ? J - Width + size : J) + (Odd ? Width : 0))...>(a, b);
  }
  /// Of each 2 × 2 blocks of Width × Width elements, exchanges the two off the diagonal; then those of twice that width.
  template <int Width, int... I> static block_of_rows exchanged(const block_of_rows& r, std::integer_sequence<int, I...> all) {
    if constexpr (Width >= size)
      return r;
    else
      return exchanged<2 * Width>({{every_other_block<Width, (I & Width) != 0>(r.row[I & ~Width], r.row[I | Width], all)...}}, all);
  }
  template <int Half, class Op> static T fold(xtensor_packet x, const Op& op) {
    if constexpr (Half == 0) {
      const vector lane = x.x_;
      return lane[0];
    } else {
      return fold<Half / 2>(op(x, swapped<Half>(x, lanes{})), op);
    }
  }
  template <int Half, int... J> static xtensor_packet swapped(xtensor_packet x, std::integer_sequence<int, J...>) {
    return wrap(native(shuffle<(J ^ Half)...>(x.x_, x.x_)));
  }

  static xtensor_packet wrap(native x) {
    xtensor_packet p;
    p.x_ = x;
    return p;
  }
  native x_;
};

}  // namespace tilt
