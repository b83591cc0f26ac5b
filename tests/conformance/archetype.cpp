// SPDX-License-Identifier: Apache-2.0
#include <support/archetype_backend.hpp>
#define TILT_TESTED tilt::test::archetype_backend, "archetype"
#include <conformance/suite.hpp>
