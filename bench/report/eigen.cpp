// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/eigen.hpp>

#include "backend_rows.hpp"
#include "scaling.hpp"

namespace {

using backend = tilt::eigen_backend<float>;

const bool registered = [] {
  tilt::bench::add_backend<backend>();
  tilt::bench::add_step<backend>(tilt::bench::shape_135m(), 2, {.threads = {2}, .iterations = 1});
  tilt::bench::add_scaling<backend>();
  return true;
}();

}  // namespace
