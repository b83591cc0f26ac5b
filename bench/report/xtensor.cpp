// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor.hpp>

#include "backend_rows.hpp"

namespace {

const bool registered = tilt::bench::add_backend<tilt::xtensor_backend<float>>();

}  // namespace
