// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor.hpp>
#define TILT_TESTED tilt::xtensor_backend<float>, "xtensor float"
#include <conformance/suite.hpp>
