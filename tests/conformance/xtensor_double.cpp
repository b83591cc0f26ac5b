// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor.hpp>
#define TILT_TESTED tilt::xtensor_backend<double>, "xtensor double"
#include <conformance/suite.hpp>
