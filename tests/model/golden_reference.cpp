// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/reference.hpp>

#include "golden.hpp"

TEST_CASE("golden models: the reference backend in double equals transformers") {
  TILT_SKIP_WITHOUT(tilt::test::golden_folder() / "models");
  tilt::test::check_golden_models([] { return std::make_unique<tilt::reference_backend<double>>(); });
}
