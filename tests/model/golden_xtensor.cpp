// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor.hpp>

#include "golden.hpp"

TEST_CASE("golden models: the xtensor backend in double equals transformers") {
  TILT_SKIP_WITHOUT(tilt::test::golden_folder() / "models");
  tilt::test::check_golden_models([] { return std::make_unique<tilt::xtensor_backend<double>>(2); });
}
