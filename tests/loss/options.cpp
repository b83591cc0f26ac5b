// SPDX-License-Identifier: Apache-2.0
// What a loss can be told: the options' names are known to the program, and an impossible or unused one is refused by name.
#include <limits>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>

#include "support/catch.hpp"

using namespace tilt;
using Catch::Matchers::Contains;

static_assert(dpo::name == "sigmoid" && hinge::name == "hinge" && ipo::name == "ipo" && kto::name == "kto");
static_assert(option_names<dpo>() == std::array<std::string_view, 2>{"beta", "label_smoothing"});
static_assert(option_names<kto>() == std::array<std::string_view, 3>{"beta", "desirable_weight", "undesirable_weight"});
static_assert(uses_option<dpo>("label_smoothing") && !uses_option<hinge>("label_smoothing") && !uses_option<ipo>("label_smoothing"));
static_assert(described_loss<dpo> && described_loss<hinge> && described_loss<ipo> && described_loss<kto> && !described_loss<int>);

TEMPLATE_TEST_CASE("losses refuse a beta that is not positive and finite", "", dpo, hinge, ipo, kto) {
  for (const double beta : {0.0, -0.1, std::numeric_limits<double>::infinity(), std::nan("")}) {
    CAPTURE(beta);
    CHECK_THROWS_AS(TestType{.beta = beta}.check(), input_error);
    CHECK_THROWS_WITH(TestType{.beta = beta}.check(), Contains("beta: ") && Contains("give a positive number"));
  }
  CHECK_NOTHROW(TestType{}.check());
  CHECK_NOTHROW(TestType{.beta = 1e-3}.check());
}

TEST_CASE("dpo refuses label_smoothing below 0 and from 1/2 on") {
  for (const double e : {-0.01, 0.5, 0.9, std::nan("")}) {
    CAPTURE(e);
    CHECK_THROWS_WITH(dpo{.label_smoothing = e}.check(), Contains("label_smoothing: ") && Contains("0.5"));
  }
  CHECK_NOTHROW(dpo{.label_smoothing = 0.4999}.check());
}

TEST_CASE("kto refuses impossible weights") {
  CHECK_THROWS_WITH(kto{.desirable_weight = -1}.check(), Contains("desirable_weight: -1"));
  CHECK_THROWS_WITH(kto{.undesirable_weight = std::nan("")}.check(), Contains("undesirable_weight: nan"));
  CHECK_THROWS_WITH((kto{.desirable_weight = 0, .undesirable_weight = 0}.check()), Contains("desirable_weight") && Contains("nothing to learn"));
  CHECK_NOTHROW(kto{.desirable_weight = 0}.check());
}

TEST_CASE("options are set by name, unused ones refused by name") {
  dpo a;
  set_option(a, "beta", 0.25);
  set_option(a, "label_smoothing", 0.125);
  CHECK((a.beta == 0.25 && a.label_smoothing == 0.125));
  ipo b;
  set_option(b, "token_average", 0);
  CHECK_FALSE(b.token_average);
  CHECK_THROWS_WITH(set_option(b, "token_average", 0.5), Contains("token_average: 0.5"));
  hinge c;
  CHECK_THROWS_AS(set_option(c, "label_smoothing", 0.1), input_error);
  CHECK_THROWS_WITH(set_option(c, "label_smoothing", 0.1), Contains("label_smoothing: ") && Contains("hinge") && Contains("does not use it"));
  CHECK_NOTHROW(require_option<dpo>("label_smoothing"));
  CHECK_THROWS_AS(require_option<dpo>("desirable_weight"), input_error);
}

TEST_CASE("evaluating checks the loss first") {
  const double x[] = {-1};
  CHECK_THROWS_WITH(evaluate(dpo{.beta = -1}, pairs(x, x, x, x)), Contains("beta: -1"));
  CHECK_THROWS_WITH(evaluate(dpo{.label_smoothing = 0.5}, pairs(x, x, x, x)), Contains("label_smoothing: 0.5"));
}
