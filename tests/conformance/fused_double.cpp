// SPDX-License-Identifier: Apache-2.0
#include <support/fused_backend.hpp>
#define TILT_TESTED tilt::test::fused_backend<double>, "fused double"
#include <conformance/suite.hpp>
