// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/thrust.hpp>

#include "backend_rows.hpp"

namespace {

const bool registered = tilt::bench::add_backend<tilt::thrust_backend<float>>();

}  // namespace
