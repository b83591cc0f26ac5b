// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/thrust.hpp>

#include "backend_on.hpp"

namespace tilt::program {
namespace {

template <class T> using rounding_backend = thrust_backend<T, bfloat16_product>;

const registered_backend cuda_bf16(backend_on<rounding_backend, false>(
    {.name = "cuda_bf16", .rank = 3, .library = std::string("what cuda has, with ") + bfloat16_product::name}));

}  // namespace
}  // namespace tilt::program
