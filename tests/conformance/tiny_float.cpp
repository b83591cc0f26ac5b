// SPDX-License-Identifier: Apache-2.0
#include <tiny_backend/tiny_backend.hpp>
#define TILT_TESTED tiny::backend<float>, "tiny float"
#include <conformance/suite.hpp>
