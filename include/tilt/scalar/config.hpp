// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

/// Marks what runs on the host and on a device. The library's only macro.
#ifdef __CUDACC__
#define TILT_HD __host__ __device__
#else
#define TILT_HD
#endif

namespace tilt {

/// Signed, so that differences of indices are numbers.
using index = std::ptrdiff_t;

/// A vocabulary entry.
using token = std::int32_t;

}  // namespace tilt
