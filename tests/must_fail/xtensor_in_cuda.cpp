// SPDX-License-Identifier: Apache-2.0
// The xtensor backend in a CUDA source.
#ifdef TILT_MUST_FAIL
#define __CUDACC__
#endif
#include <tilt/backend/xtensor.hpp>
