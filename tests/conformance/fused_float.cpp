// SPDX-License-Identifier: Apache-2.0
#include <support/fused_backend.hpp>
#define TILT_TESTED tilt::test::fused_backend<float>, "fused float"
#include <conformance/suite.hpp>
