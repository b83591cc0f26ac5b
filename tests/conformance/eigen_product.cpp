// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/eigen.hpp>
using eigen_with_eigen_product = tilt::eigen_backend<float, tilt::eigen_product>;
#define TILT_TESTED eigen_with_eigen_product, "eigen product float"
#include <conformance/suite.hpp>
