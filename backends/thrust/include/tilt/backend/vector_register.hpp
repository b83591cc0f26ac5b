// SPDX-License-Identifier: Apache-2.0
#pragma once
#if defined(__CUDACC__) || !(defined(__GNUC__) || defined(__clang__))
#error "tilt/backend/vector_packet.hpp needs the vector extensions of GCC or clang on the host; CUDA sources have no use for packets"
#endif
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#include <bit>
#include <cstdint>
#include <tilt/scalar/scalar.hpp>

namespace tilt::detail {

/// Bytes of the widest register that the build's instruction set has.
#if defined(__AVX512F__)
inline constexpr int register_bytes = 64;
#elif defined(__AVX__)
inline constexpr int register_bytes = 32;
#else
inline constexpr int register_bytes = 16;
#endif

/// A register of T's as the compiler's own vector type, and one of unsigned integers of the same width.
template <class T> struct vector_register;
template <> struct vector_register<float> {
  typedef float native __attribute__((vector_size(register_bytes)));
  typedef std::uint32_t bits __attribute__((vector_size(register_bytes)));
  using word = std::uint32_t;
};
template <> struct vector_register<double> {
  typedef double native __attribute__((vector_size(register_bytes)));
  typedef std::uint64_t bits __attribute__((vector_size(register_bytes)));
  using word = std::uint64_t;
};

using float_register = vector_register<float>::native;
using double_register = vector_register<double>::native;

// What the vector extensions have no word for: a·b + c with one rounding where the scalar multiply_add has one, and the square root.
#if defined(__AVX512F__)
inline float_register fused(float_register a, float_register b, float_register c) { return _mm512_fmadd_ps(a, b, c); }
inline double_register fused(double_register a, double_register b, double_register c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__FMA__)
inline float_register fused(float_register a, float_register b, float_register c) { return _mm256_fmadd_ps(a, b, c); }
inline double_register fused(double_register a, double_register b, double_register c) { return _mm256_fmadd_pd(a, b, c); }
#elif defined(__ARM_FEATURE_FMA) && defined(__aarch64__)
inline float_register fused(float_register a, float_register b, float_register c) { return vfmaq_f32(c, a, b); }
inline double_register fused(double_register a, double_register b, double_register c) { return vfmaq_f64(c, a, b); }
#else
template <class Native> Native fused(Native a, Native b, Native c) {
  for (unsigned i = 0; i < sizeof(Native) / sizeof(a[0]); ++i) c[i] = multiply_add(a[i], b[i], c[i]);
  return c;
}
#endif

#if defined(__AVX512F__)
inline float_register square_root(float_register x) { return _mm512_maskz_sqrt_ps(0xffff, x); }  // GCC 12 warns of the plain one's header
inline double_register square_root(double_register x) { return _mm512_maskz_sqrt_pd(0xff, x); }
#elif defined(__AVX__)
inline float_register square_root(float_register x) { return _mm256_sqrt_ps(x); }
inline double_register square_root(double_register x) { return _mm256_sqrt_pd(x); }
#elif defined(__SSE2__)
inline float_register square_root(float_register x) { return _mm_sqrt_ps(x); }
inline double_register square_root(double_register x) { return _mm_sqrt_pd(x); }
#elif defined(__aarch64__)
inline float_register square_root(float_register x) { return vsqrtq_f32(x); }
inline double_register square_root(double_register x) { return vsqrtq_f64(x); }
#else
template <class Native> Native square_root(Native x) {
  for (unsigned i = 0; i < sizeof(Native) / sizeof(x[0]); ++i) x[i] = std::sqrt(x[i]);
  return x;
}
#endif

/// The numbers behind the elementary functions. Polynomials are near-minimax (Chebyshev interpolation in 40 digits), highest power
/// first, of: exponential (eʳ − 1 − r)/r² on |r| ≤ ½ log 2;  logarithm (log((1+s)/(1−s)) − 2s)/s³ in s², 1+f between √½ and √2, s = f/(2+f);
/// erf_near erf(x)/x in x² for |x| < 1;  erf_far e^{x²} erfc(x) in (x − 2)/(x + 2) for 1 ≤ x ≤ erf_end, beyond which erf is 1.
template <class T> struct vector_constants;
template <> struct vector_constants<float> {
  static constexpr int digits = 23, bias = 127;
  static constexpr float round_to_integer = 12582912.f;  // 1.5·2²³: adding it leaves an integer in the low bits
  static constexpr float log2_high = 0.693359375f, log2_low = -0.00021219444f;
  static constexpr float exp_low = -110, exp_high = 90, expm1_low = -30, expm1_high = 89, erf_end = 4;
  static constexpr float exponential[] = {1.9891080e-4f, 1.3933731e-3f, 8.3333108e-3f, 4.1666464e-2f, 1.6666667e-1f, 5.0e-1f};
  static constexpr float logarithm[] = {0.23332763f, 0.28550736f, 0.40000123f, 0.66666667f};
  static constexpr float erf_near[] = {7.8758751e-5f, -8.0168643e-4f, 5.1890874e-3f, -2.6854212e-2f, 0.11283595f, -0.37612627f, 1.1283792f};
  static constexpr float erf_far[] = {-8.3797544e-4f, 6.8111401e-3f, 3.7323718e-3f, -7.8968306e-2f, 0.2416582f, -0.42718599f, 0.25539568f};
};
template <> struct vector_constants<double> {
  static constexpr int digits = 52, bias = 1023;
  static constexpr double round_to_integer = 6755399441055744.;  // 1.5·2⁵²
  static constexpr double log2_high = 0x1.62e42feep-1, log2_low = 1.9082149292705878e-10;
  static constexpr double exp_low = -760, exp_high = 711, expm1_low = -60, expm1_high = 710, erf_end = 6;
  static constexpr double exponential[] = {2.5100472505694996e-8, 2.7620201591031549e-7, 2.7557268276905696e-6, 2.4801521057868205e-5,
                                           1.9841269863171556e-4, 1.3888888917367081e-3, 8.3333333333300382e-3, 4.1666666666623821e-2,
                                           1.6666666666666667e-1, 0.5000000000000001};
  static constexpr double logarithm[] = {0.14619166134887971, 0.15331501611145328, 0.18182895750119194, 0.22222211043776858,
                                         0.28571428626533616, 0.39999999999898273, 0.66666666666666697};
  static constexpr double erf_near[] = {-7.7958988270021422e-10, 1.3720064546777686e-8, -1.6208483801871706e-7, 1.6447424703317362e-6,
                                        -1.492473690741966e-5,   1.2055294904839708e-4, -8.5483259753896921e-4, 5.2239776071164227e-3,
                                        -2.686617064323777e-2,   0.11283791670945006,   -0.3761263890318354,    1.1283791670955126};
  static constexpr double erf_far[] = {-2.2281295763723502e-7, 4.1463021832684877e-6,  1.859427387429402e-6,  -1.4166339069117108e-5,
                                       -2.7640727821912854e-5, 2.7560352756678313e-5,  1.7436477257256737e-4, 4.3552653598178828e-5,
                                       -9.8197711147407153e-4, -8.4714312294153334e-4, 6.9974617392005747e-3, 3.7328924016564481e-3,
                                       -7.8978581015712694e-2, 0.24165819424248763,    -0.42718584741395849,  0.25539567631050572};
};

}  // namespace tilt::detail
