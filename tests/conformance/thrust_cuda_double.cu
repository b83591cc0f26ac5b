// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/thrust.hpp>
#define TILT_TESTED tilt::thrust_backend<double>, "thrust cuda double"
#include <conformance/suite.hpp>
