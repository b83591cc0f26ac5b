// SPDX-License-Identifier: Apache-2.0
// The golden models and the first steps of the golden runs, in double, on the device system that tilt::thrust has.
#include <memory>
#include <model/golden.hpp>
#include <tilt/backend/thrust.hpp>
#include <train/golden_runs.hpp>

using B = tilt::thrust_backend<double>;

TEST_CASE("golden models: the Thrust backend in double equals transformers") {
  TILT_SKIP_WITHOUT(tilt::test::golden_folder() / "models");
  tilt::test::check_golden_models([] { return std::make_unique<B>(2); });
}
TEST_CASE("golden dpo_sigmoid, the first steps on the Thrust backend") { tilt::test::check_named<B>("dpo_sigmoid", 5); }
TEST_CASE("golden dpo_ipo_accum, the first steps on the Thrust backend") { tilt::test::check_named<B>("dpo_ipo_accum", 2); }
TEST_CASE("golden kto, the first steps on the Thrust backend") { tilt::test::check_named<B>("kto", 5); }
TEST_CASE("golden sft, the first steps on the Thrust backend") { tilt::test::check_named<B>("sft", 5); }
