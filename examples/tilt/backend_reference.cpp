// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/reference.hpp>

#include "backend_on.hpp"

namespace tilt::program {
namespace {

const registered_backend reference(
    backend_on<reference_backend>({.name = "reference", .rank = 0, .library = "none: plain loops, slow, the specification"}));

}  // namespace
}  // namespace tilt::program
