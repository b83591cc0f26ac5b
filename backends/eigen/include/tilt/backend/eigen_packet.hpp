// SPDX-License-Identifier: Apache-2.0
#pragma once
#if defined(__CUDACC__)
#error "tilt/backend/eigen.hpp is host code: compile it with the host compiler, or use thrust_backend in CUDA sources"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's AVX-512 intrinsics, where they are inlined into our code
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#include <unsupported/Eigen/SpecialFunctions>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <cmath>
#include <concepts>
#include <limits>
#include <tilt/scalar/packet.hpp>
#include <tilt/scalar/scalar.hpp>

namespace tilt {

namespace detail {

/// The lanes in which a comparison held. Eigen answers with a packet whose bits are all set or all clear.
template <class T> struct eigen_lanes {
  using native = typename Eigen::internal::packet_traits<T>::type;
  native bits;

  static eigen_lanes less(native a, native b) { return {Eigen::internal::pcmp_lt(a, b)}; }
  static eigen_lanes less_equal(native a, native b) { return {Eigen::internal::pcmp_le(a, b)}; }
  static eigen_lanes equal(native a, native b) { return {Eigen::internal::pcmp_eq(a, b)}; }
  native choose(native a, native b) const { return Eigen::internal::pselect(bits, a, b); }

  friend eigen_lanes operator&(eigen_lanes a, eigen_lanes b) { return {Eigen::internal::pand(a.bits, b.bits)}; }
  friend eigen_lanes operator|(eigen_lanes a, eigen_lanes b) { return {Eigen::internal::por(a.bits, b.bits)}; }
  friend eigen_lanes operator!(eigen_lanes a) { return {Eigen::internal::pandnot(Eigen::internal::ptrue(a.bits), a.bits)}; }
};

#ifdef EIGEN_VECTORIZE_AVX512
// AVX-512 compares into mask registers; Eigen 3.4 would expand each answer to a packet and test that again.
template <> struct eigen_lanes<float> {
  __mmask16 bits;

  static eigen_lanes less(__m512 a, __m512 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)}; }
  static eigen_lanes less_equal(__m512 a, __m512 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ)}; }
  static eigen_lanes equal(__m512 a, __m512 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)}; }
  __m512 choose(__m512 a, __m512 b) const { return _mm512_mask_blend_ps(bits, b, a); }

  friend eigen_lanes operator&(eigen_lanes a, eigen_lanes b) { return {static_cast<__mmask16>(a.bits & b.bits)}; }
  friend eigen_lanes operator|(eigen_lanes a, eigen_lanes b) { return {static_cast<__mmask16>(a.bits | b.bits)}; }
  friend eigen_lanes operator!(eigen_lanes a) { return {static_cast<__mmask16>(~a.bits)}; }
};
template <> struct eigen_lanes<double> {
  __mmask8 bits;

  static eigen_lanes less(__m512d a, __m512d b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)}; }
  static eigen_lanes less_equal(__m512d a, __m512d b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LE_OQ)}; }
  static eigen_lanes equal(__m512d a, __m512d b) { return {_mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ)}; }
  __m512d choose(__m512d a, __m512d b) const { return _mm512_mask_blend_pd(bits, b, a); }

  friend eigen_lanes operator&(eigen_lanes a, eigen_lanes b) { return {static_cast<__mmask8>(a.bits & b.bits)}; }
  friend eigen_lanes operator|(eigen_lanes a, eigen_lanes b) { return {static_cast<__mmask8>(a.bits | b.bits)}; }
  friend eigen_lanes operator!(eigen_lanes a) { return {static_cast<__mmask8>(~a.bits)}; }
};
#endif

// The correctly rounded square root. Eigen's psqrt is an approximation of it in float, and gives NaN for infinity.
inline float correct_sqrt(float x) { return std::sqrt(x); }
inline double correct_sqrt(double x) { return std::sqrt(x); }
#ifdef EIGEN_VECTORIZE_SSE
inline __m128 correct_sqrt(__m128 x) { return _mm_sqrt_ps(x); }
inline __m128d correct_sqrt(__m128d x) { return _mm_sqrt_pd(x); }
#endif
#ifdef EIGEN_VECTORIZE_AVX
inline __m256 correct_sqrt(__m256 x) { return _mm256_sqrt_ps(x); }
inline __m256d correct_sqrt(__m256d x) { return _mm256_sqrt_pd(x); }
#endif
#ifdef EIGEN_VECTORIZE_AVX512
inline __m512 correct_sqrt(__m512 x) { return _mm512_sqrt_ps(x); }
inline __m512d correct_sqrt(__m512d x) { return _mm512_sqrt_pd(x); }
#endif
#ifdef EIGEN_VECTORIZE_NEON
inline float32x4_t correct_sqrt(float32x4_t x) { return vsqrtq_f32(x); }
#if EIGEN_ARCH_ARM64
inline float64x2_t correct_sqrt(float64x2_t x) { return vsqrtq_f64(x); }
#endif
#endif

// Exchanges rows and columns of a square block. Eigen's way with 64-byte packets takes twice as many instructions.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of __m256 as a template argument
#endif
template <class Native, int N> void transpose_block(Eigen::internal::PacketBlock<Native, N>& block) { Eigen::internal::ptranspose(block); }
#ifdef EIGEN_VECTORIZE_AVX512
/// a, b, c, d as a 4 × 4 block of quarters.
inline void transpose_quarters(__m512d& a, __m512d& b, __m512d& c, __m512d& d) {
  const __m512d ab_even = _mm512_shuffle_f64x2(a, b, 0x88), ab_odd = _mm512_shuffle_f64x2(a, b, 0xdd);
  const __m512d cd_even = _mm512_shuffle_f64x2(c, d, 0x88), cd_odd = _mm512_shuffle_f64x2(c, d, 0xdd);
  a = _mm512_shuffle_f64x2(ab_even, cd_even, 0x88);
  b = _mm512_shuffle_f64x2(ab_odd, cd_odd, 0x88);
  c = _mm512_shuffle_f64x2(ab_even, cd_even, 0xdd);
  d = _mm512_shuffle_f64x2(ab_odd, cd_odd, 0xdd);
}
inline void transpose_block(Eigen::internal::PacketBlock<__m512d, 8>& block) {
  __m512d t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm512_unpacklo_pd(block.packet[i], block.packet[i + 1]);
    t[i + 1] = _mm512_unpackhi_pd(block.packet[i], block.packet[i + 1]);
  }
  for (int c = 0; c < 2; ++c) {
    transpose_quarters(t[c], t[c + 2], t[c + 4], t[c + 6]);
    for (int quarter = 0; quarter < 4; ++quarter) block.packet[2 * quarter + c] = t[c + 2 * quarter];
  }
}
inline void transpose_block(Eigen::internal::PacketBlock<__m512, 16>& block) {
  __m512d t[16];  // pairs of floats
  for (int i = 0; i < 16; i += 4) {
    const __m512 *const r = block.packet + i, low0 = _mm512_unpacklo_ps(r[0], r[1]), high0 = _mm512_unpackhi_ps(r[0], r[1]),
                        low1 = _mm512_unpacklo_ps(r[2], r[3]), high1 = _mm512_unpackhi_ps(r[2], r[3]);
    t[i] = _mm512_unpacklo_pd(_mm512_castps_pd(low0), _mm512_castps_pd(low1));
    t[i + 1] = _mm512_unpackhi_pd(_mm512_castps_pd(low0), _mm512_castps_pd(low1));
    t[i + 2] = _mm512_unpacklo_pd(_mm512_castps_pd(high0), _mm512_castps_pd(high1));
    t[i + 3] = _mm512_unpackhi_pd(_mm512_castps_pd(high0), _mm512_castps_pd(high1));
  }
  for (int c = 0; c < 4; ++c) {
    transpose_quarters(t[c], t[c + 4], t[c + 8], t[c + 12]);
    for (int quarter = 0; quarter < 4; ++quarter) block.packet[4 * quarter + c] = _mm512_castpd_ps(t[c + 4 * quarter]);
  }
}
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace detail

/// A SIMD packet of Eigen's as a plain value: as many numbers as the build's instruction set holds in a register. Models `packet`.
/// min and max are std::min's and std::max's in each lane, NaNs included. Elementary functions are within a few units in the last
/// place of std's over the whole line, infinities, NaN and subnormal numbers included; tests/tensor/eigen_packet.cpp says how many.
template <class T>
requires std::same_as<T, float> || std::same_as<T, double>
class eigen_packet {
  using lanes = detail::eigen_lanes<T>;

 public:
  using scalar = T;
  using native = typename Eigen::internal::packet_traits<T>::type;
  static constexpr int size = static_cast<int>(sizeof(native) / sizeof(T));
  using mask = lanes;

  eigen_packet() = default;
  eigen_packet(T value) : x_(Eigen::internal::pset1<native>(value)) {}

  static eigen_packet load(const T* p) { return wrap(Eigen::internal::ploadu<native>(p)); }
  static eigen_packet broadcast(T value) { return eigen_packet(value); }
  /// first, first + 1, first + 2, …
  static eigen_packet iota(T first) { return wrap(Eigen::internal::plset<native>(first)); }
  static mask first_lanes(int n) { return iota(T(0)) < eigen_packet(static_cast<T>(n)); }
  void store(T* p) const { Eigen::internal::pstoreu(p, x_); }

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of __m256 as a template argument: Eigen's own packets
#endif
  /// A size × size block, rows and columns exchanged.
  static void transpose(eigen_packet* rows) {
    Eigen::internal::PacketBlock<native, size> block;
    for (int i = 0; i < size; ++i) block.packet[i] = rows[i].x_;
    detail::transpose_block(block);
    for (int i = 0; i < size; ++i) rows[i] = wrap(block.packet[i]);
  }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

  friend eigen_packet operator+(eigen_packet a, eigen_packet b) { return wrap(Eigen::internal::padd(a.x_, b.x_)); }
  friend eigen_packet operator-(eigen_packet a, eigen_packet b) { return wrap(Eigen::internal::psub(a.x_, b.x_)); }
  friend eigen_packet operator*(eigen_packet a, eigen_packet b) { return wrap(Eigen::internal::pmul(a.x_, b.x_)); }
  friend eigen_packet operator/(eigen_packet a, eigen_packet b) { return wrap(Eigen::internal::pdiv(a.x_, b.x_)); }
  friend eigen_packet operator-(eigen_packet a) { return wrap(Eigen::internal::pnegate(a.x_)); }
  eigen_packet& operator+=(eigen_packet b) { return *this = *this + b; }
  eigen_packet& operator-=(eigen_packet b) { return *this = *this - b; }
  eigen_packet& operator*=(eigen_packet b) { return *this = *this * b; }
  eigen_packet& operator/=(eigen_packet b) { return *this = *this / b; }

  friend mask operator<(eigen_packet a, eigen_packet b) { return lanes::less(a.x_, b.x_); }
  friend mask operator<=(eigen_packet a, eigen_packet b) { return lanes::less_equal(a.x_, b.x_); }
  friend mask operator>(eigen_packet a, eigen_packet b) { return lanes::less(b.x_, a.x_); }
  friend mask operator>=(eigen_packet a, eigen_packet b) { return lanes::less_equal(b.x_, a.x_); }
  friend mask operator==(eigen_packet a, eigen_packet b) { return lanes::equal(a.x_, b.x_); }

  friend eigen_packet select(mask m, eigen_packet a, eigen_packet b) { return wrap(m.choose(a.x_, b.x_)); }
  /// a·b + c, fused where the scalar multiply_add is.
  friend eigen_packet multiply_add(eigen_packet a, eigen_packet b, eigen_packet c) {
    return wrap(Eigen::internal::pmadd(a.x_, b.x_, c.x_));
  }
  friend eigen_packet min(eigen_packet a, eigen_packet b) { return select(b < a, b, a); }
  friend eigen_packet max(eigen_packet a, eigen_packet b) { return select(a < b, b, a); }
  friend eigen_packet abs(eigen_packet a) { return wrap(Eigen::internal::pabs(a.x_)); }
  friend eigen_packet sqrt(eigen_packet a) { return wrap(detail::correct_sqrt(a.x_)); }

  /// Eigen clamps its argument to ±88.4 (float; double ±709.8), so that exp(−∞) would be a subnormal number and exp(∞) finite: far
  /// below zero this works on x + s and scales by e⁻ˢ, which rounds to subnormal numbers and then 0 as it should.
  friend eigen_packet exp(eigen_packet x) {
    const eigen_packet low(single ? T(-80) : T(-700)), high(single ? T(88.3762626647949) : T(709.78)), shift(single ? T(40) : T(100));
    const eigen_packet shrink(single ? T(4.248354255291589e-18) : T(3.720075976020836e-44));
    const eigen_packet grow(single ? T(2.3538526683702e+17) : T(2.6881171418161356e+43)), one(T(1));
    const mask down = x < low, up = high < x;
    const eigen_packet moved = x + select(down, shift, select(up, -shift, eigen_packet(T(0))));
    const eigen_packet y = wrap(Eigen::internal::pexp(moved.x_)) * select(down, shrink, select(up, grow, one));
    return select(x == x, y, x);
  }
  /// Eigen takes subnormal numbers for the smallest normal one: they are scaled first.
  friend eigen_packet log(eigen_packet x) {
    const mask tiny = x < eigen_packet(std::numeric_limits<T>::min());
    const eigen_packet scale(single ? T(16777216) : T(18014398509481984)), exponent(single ? T(16.635532333438686) : T(37.42994775023705));
    const eigen_packet y = wrap(Eigen::internal::plog(select(tiny, x * scale, x).x_));
    return select(tiny, y - exponent, y);
  }
  /// x·log u / (u − 1) with u = 1 + x (Kahan), where log u and u − 1 share the rounding error of u.
  friend eigen_packet log1p(eigen_packet x) {
    const eigen_packet one(T(1)), u = one + x, log_u = wrap(Eigen::internal::plog(u.x_));
    return select((u == one) | (u == log_u), x, x * (log_u / (u - one)));  // x is lost in u, or infinite
  }
  /// (u − 1)·x / log u with u = eˣ (Kahan), where u − 1 and log u share the rounding error of u.
  friend eigen_packet expm1(eigen_packet x) {
    const eigen_packet one(T(1)), u = exp(x), less_one = u - one;
    const eigen_packet y = less_one * (x / wrap(Eigen::internal::plog(u.x_)));
    const mask far = u == less_one;  // −1 is lost in u, or u is infinite
    return select(u == one, x, select(less_one == -one, -one, select(far, u, y)));
  }
  friend eigen_packet tanh(eigen_packet x) {
    if constexpr (traits::HasTanh) {
      return wrap(Eigen::internal::ptanh(x.x_));
    } else {
      const eigen_packet u = expm1(eigen_packet(T(-2)) * abs(x)), y = -u / (u + eigen_packet(T(2)));
      return select(x < eigen_packet(T(0)), -y, y);
    }
  }
  friend eigen_packet erf(eigen_packet x) {
    if constexpr (traits::HasErf)
      return wrap(Eigen::internal::perf(x.x_));
    else
      return each_lane(x, [](T lane) { return std::erf(lane); });
  }

  /// The sum of the lanes, in one order for a given size.
  friend T reduce_add(eigen_packet a) { return Eigen::internal::predux(a.x_); }
  friend T reduce_max(eigen_packet a) { return Eigen::internal::predux_max(a.x_); }

 private:
  using traits = Eigen::internal::packet_traits<T>;
  static constexpr bool single = sizeof(T) == 4;
  static eigen_packet wrap(native x) {
    eigen_packet p;
    p.x_ = x;
    return p;
  }
  native x_;
};

}  // namespace tilt
