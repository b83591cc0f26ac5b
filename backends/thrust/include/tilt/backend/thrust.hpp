// SPDX-License-Identifier: Apache-2.0
#pragma once
// One source, four of Thrust's device systems: CPP, OMP and TBB by the host compiler, CUDA by nvcc. The system is a macro of Thrust's,
// so it is one for the whole program: give it on the command line of every file.
#if !defined(THRUST_DEVICE_SYSTEM) && !defined(__CUDACC__)
#error \
    "tilt/backend/thrust.hpp: no device system is chosen. Link tilt::thrust, or compile with \
-DTHRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_TBB (or _OMP, _CPP), or, for a GPU, with nvcc"
#else
#include <thrust/detail/config.h>
#if THRUST_DEVICE_SYSTEM != THRUST_DEVICE_SYSTEM_CUDA
#include <tilt/backend/thrust_host.hpp>
#elif defined(__CUDACC__)
#include <tilt/backend/thrust_cuda.hpp>
#else
#error \
    "tilt/backend/thrust.hpp: the device system is CUDA, which needs nvcc; for the host, compile with \
-DTHRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_TBB (or _OMP, _CPP)"
#endif
#endif
