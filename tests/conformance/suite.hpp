// SPDX-License-Identifier: Apache-2.0
// What every backend must do. A program of it is a file of three lines:
//
//   #include <tilt/backend/mine.hpp>
//   #define TILT_TESTED tilt::my_backend<float>, "my float"     // the type, and what the tests are called
//   #include <conformance/suite.hpp>
//
// A further part of the suite is a header of test cases beside this one, named TILT_TESTED_AS "...", over `tested_backend`. It reaches
// memory through own_array and passes named functors, so that it also runs where the memory is a device's.
#define TILT_TESTED_TYPE(type, name) type
#define TILT_TESTED_NAME(type, name) name
#define TILT_EXPAND(macro, ...) macro(__VA_ARGS__)
using tested_backend = TILT_EXPAND(TILT_TESTED_TYPE, TILT_TESTED);
#define TILT_TESTED_AS TILT_EXPAND(TILT_TESTED_NAME, TILT_TESTED) ": "

#include <conformance/attention.hpp>
#include <conformance/fast_paths.hpp>
#include <conformance/head.hpp>
#include <conformance/layers.hpp>
#include <conformance/maps.hpp>
#include <conformance/model.hpp>
#include <conformance/movement.hpp>
#include <conformance/optimizers.hpp>
#include <conformance/products.hpp>
#include <conformance/rows.hpp>
#include <conformance/storage.hpp>

static_assert(tilt::require_backend<tested_backend>::value);
