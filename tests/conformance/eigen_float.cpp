// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/eigen.hpp>
#define TILT_TESTED tilt::eigen_backend<float>, "eigen float"
#include <conformance/suite.hpp>
