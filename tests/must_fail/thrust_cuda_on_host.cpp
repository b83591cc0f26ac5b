// SPDX-License-Identifier: Apache-2.0
// The CUDA device system, which is Thrust's own default, in a file for the host compiler.
#ifdef TILT_MUST_FAIL
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CUDA
#else
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CPP
#endif
#include <tilt/backend/thrust.hpp>
