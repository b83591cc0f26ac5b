// SPDX-License-Identifier: Apache-2.0
// A target without SIMD registers, as xsimd sees it.
#ifdef TILT_MUST_FAIL
#undef __SSE2__
#undef __SSE3__
#undef __SSSE3__
#undef __SSE4_1__
#undef __SSE4_2__
#undef __AVX__
#undef __AVX2__
#undef __AVX512F__
#undef __FMA__
#undef __FMA4__
#undef __ARM_NEON
#undef __ARM_FEATURE_SVE
#endif
#include <tilt/backend/xtensor.hpp>
