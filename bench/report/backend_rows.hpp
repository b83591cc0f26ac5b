// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "composites.hpp"
#include "loops.hpp"
#include "products.hpp"
#include "steps.hpp"

namespace tilt::bench {

/// The rows that every backend has.
template <backend B> bool add_backend() {
  add_products<B>();
  add_maps<B>();
  add_row_programs<B>();
  add_composites<B>();
  add_update<B>();
  add_step<B>(shape_20m(), 4, {.iterations = 2});
  return true;
}

}  // namespace tilt::bench
