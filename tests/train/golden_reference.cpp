// SPDX-License-Identifier: Apache-2.0
#include "golden_runs.hpp"
#include <tilt/tensor/reference.hpp>

using B = tilt::reference_backend<double>;

TEST_CASE("golden dpo_sigmoid, the first steps on the reference backend") { tilt::test::check_named<B>("dpo_sigmoid", 2); }
TEST_CASE("golden dpo_ipo_accum, the first steps on the reference backend") { tilt::test::check_named<B>("dpo_ipo_accum", 1); }
TEST_CASE("golden kto, the first steps on the reference backend") { tilt::test::check_named<B>("kto", 3); }
TEST_CASE("golden reward, the first steps on the reference backend") { tilt::test::check_named<B>("reward", 2); }
TEST_CASE("golden sft, the first steps on the reference backend") { tilt::test::check_named<B>("sft", 3); }
