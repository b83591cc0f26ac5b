// SPDX-License-Identifier: Apache-2.0
#include "golden_runs.hpp"
#include <tilt/backend/xtensor.hpp>

using B = tilt::xtensor_backend<double>;

TEST_CASE("golden dpo_sigmoid, the first steps on the xtensor backend") { tilt::test::check_named<B>("dpo_sigmoid", 4); }
TEST_CASE("golden dpo_ipo_accum, the first steps on the xtensor backend") { tilt::test::check_named<B>("dpo_ipo_accum", 2); }
TEST_CASE("golden kto, the first steps on the xtensor backend") { tilt::test::check_named<B>("kto", 4); }
TEST_CASE("golden reward, the first steps on the xtensor backend") { tilt::test::check_named<B>("reward", 4); }
TEST_CASE("golden sft, the first steps on the xtensor backend") { tilt::test::check_named<B>("sft", 4); }
