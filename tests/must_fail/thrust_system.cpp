// SPDX-License-Identifier: Apache-2.0
// The Thrust backend without a device system.
#ifndef TILT_MUST_FAIL
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CPP
#endif
#include <tilt/backend/thrust.hpp>
