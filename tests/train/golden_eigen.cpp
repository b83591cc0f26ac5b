// SPDX-License-Identifier: Apache-2.0
#include "golden_runs.hpp"
#include <tilt/backend/eigen.hpp>

using B = tilt::eigen_backend<double>;

TEST_CASE("golden dpo_sigmoid") { tilt::test::check_named<B>("dpo_sigmoid"); }
TEST_CASE("golden dpo_ipo_accum") { tilt::test::check_named<B>("dpo_ipo_accum"); }
TEST_CASE("golden kto") { tilt::test::check_named<B>("kto"); }
TEST_CASE("golden reward") { tilt::test::check_named<B>("reward"); }
TEST_CASE("golden sft") { tilt::test::check_named<B>("sft"); }
TEST_CASE("golden further runs of DPO") { tilt::test::check_others<B>("dpo", {"dpo_sigmoid", "dpo_ipo_accum"}); }
TEST_CASE("golden further runs of KTO") { tilt::test::check_others<B>("kto", {"kto"}); }
TEST_CASE("golden further runs of reward models") { tilt::test::check_others<B>("reward", {"reward"}); }
TEST_CASE("golden further runs of SFT") { tilt::test::check_others<B>("sft", {"sft"}); }
TEST_CASE("golden runs that the library cannot do") { tilt::test::name_lacking(); }

TEST_CASE("golden dpo_sigmoid in float") { tilt::test::check_named<tilt::eigen_backend<float>>("dpo_sigmoid", -1, tilt::test::float_bounds); }
TEST_CASE("golden kto in float") { tilt::test::check_named<tilt::eigen_backend<float>>("kto", -1, tilt::test::float_bounds); }
