// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/eigen.hpp>
#define TILT_TESTED tilt::eigen_backend<double>, "eigen double"
#include <conformance/suite.hpp>
