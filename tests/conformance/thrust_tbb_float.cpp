// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/thrust.hpp>
#define TILT_TESTED tilt::thrust_backend<float>, "thrust tbb float"
#include <conformance/suite.hpp>
