// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor_blas.hpp>
using xtensor_with_blas_product = tilt::xtensor_backend<float, tilt::blas_product>;
#define TILT_TESTED xtensor_with_blas_product, "xtensor product float"
#include <conformance/suite.hpp>
