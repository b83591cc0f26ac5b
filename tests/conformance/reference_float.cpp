// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/reference.hpp>
#define TILT_TESTED tilt::reference_backend<float>, "reference float"
#include <conformance/suite.hpp>
