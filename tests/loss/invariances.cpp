// SPDX-License-Identifier: Apache-2.0
// One row a pair loss: what leaves it as it is, what changes it. Both are asserted, and every loss has a row.
#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <tilt/loss/losses.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::close;
using test::tolerance;

namespace {

constexpr int none = -1;

struct expectation {
  bool own_offset;    ///< a constant added to policy and reference of one response changes nothing
  bool prompt_shift;  ///< a constant added to the policy's log-probabilities of both responses changes nothing
  int beta_power;     ///< p with s^p·L(sβ; u) = L(β; s·u), u all log-probabilities; none where there is no such p among 0 and 2
  bool reversal;      ///< exchanging the responses and the signs of all their log-ratios changes nothing
  bool lengths;       ///< it depends on the responses' lengths
  bool splits;        ///< a batch may be cut in two, each with the statistic of its own, and the losses add up
};

const std::map<std::string, expectation> table{
    // own offset, prompt shift, power of β, reversal, lengths, splits
    {"sigmoid", {true, true, 0, true, false, true}},
    {"hinge", {true, true, 0, true, false, true}},
    {"ipo", {true, false, 2, true, true, true}},
    {"exo_pair", {true, true, 0, true, false, true}},
    {"nca_pair", {true, false, 0, false, false, true}},
    {"robust", {true, true, 0, true, false, true}},
    {"bco_pair", {true, false, 0, true, false, true}},
    {"sppo_hard", {true, false, 2, true, false, true}},
    {"sppo", {true, false, 2, true, false, true}},
    {"aot", {false, true, 0, true, false, false}},
    {"aot_unpaired", {true, true, 0, true, false, false}},
    {"apo_zero", {true, false, 0, true, false, true}},
    {"apo_down", {true, false, 0, false, false, true}},
    {"discopop", {true, true, 0, true, false, true}},
    {"sft", {false, false, none, false, true, false}},
    {"sigmoid_norm", {true, false, 0, true, true, true}},
    {"dpop", {true, false, 0, false, false, true}},
    {"odpo", {true, true, 0, false, false, true}},
    {"rdpo", {true, true, 0, false, true, true}},
    {"cal_dpo", {true, false, none, true, false, true}},
    {"kto_pair", {true, false, 0, false, false, false}},
    {"cpo", {false, false, none, false, true, false}},
    {"simpo", {false, false, 0, true, true, true}},
    {"alphapo", {false, false, none, false, true, true}},
    {"orpo", {false, false, none, false, true, false}},
    {"slic", {false, false, none, false, false, true}},
    {"sigmoid_reference_free", {false, true, 0, true, false, true}},
    {"hinge_reference_free", {false, true, 0, true, false, true}},
    {"ipo_reference_free", {false, false, 2, true, true, true}},
};

/// Dyadic numbers, so that shifts and scalings are exact; no pair at a corner of any loss.
struct batch {
  std::vector<double> chosen{-10, -4.5, -22, -7}, rejected{-12, -6, -20, -3}, chosen_reference{-11, -4, -25, -7.5},
      rejected_reference{-10, -9, -21, -2};
  std::vector<double> score_chosen{1, 0.5, 2, 0.25}, score_rejected{0, 0.25, -1, -2}, win{1, 0.75, 0.5, 0.625};
  std::vector<int> chosen_length{4, 2, 9, 3}, rejected_length{5, 3, 8, 1};

  template <class L> pair_batch<double> view(const L& loss, index first = 0, index count = 4) const {
    const auto part = [&](const auto& v) { return std::span(v).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)); };
    pair_batch<double> b{.policy_chosen = part(chosen),
                         .policy_rejected = part(rejected),
                         .reference_chosen = part(chosen_reference),
                         .reference_rejected = part(rejected_reference),
                         .length_chosen = part(chosen_length),
                         .length_rejected = part(rejected_length)};
    if (uses_scores(loss)) b.score_chosen = part(score_chosen), b.score_rejected = part(score_rejected);
    if (uses_win_probability(loss)) b.win_probability = part(win);
    return b;
  }
  template <class F> void each(const F& f) {
    for (auto* v : {&chosen, &rejected, &chosen_reference, &rejected_reference}) std::transform(v->begin(), v->end(), v->begin(), f);
  }
};

template <class L> double value(const L& loss, const batch& b) { return evaluate(loss, b.view(loss)).loss; }
bool same(double a, double b) { return bool(close(a, b, tolerance<double>::sum(16), 1)); }

template <class L> void check(const L& loss) {
  const std::string name(L::name);
  CAPTURE(name);
  REQUIRE(table.count(name) == 1);
  const expectation e = table.at(name);
  const batch b;
  const double v = value(loss, b);

  batch own = b;
  for (double* x : {&own.chosen[1], &own.chosen_reference[1]}) *x -= 2;
  CHECK(same(value(loss, own), v) == e.own_offset);

  batch shifted = b;
  for (std::size_t i = 0; i < 4; ++i) shifted.chosen[i] -= 0.5, shifted.rejected[i] -= 0.5;
  CHECK(same(value(loss, shifted), v) == e.prompt_shift);

  if constexpr (requires { loss.beta; }) {
    L stronger = loss;
    stronger.beta *= 2;
    batch wider = b;
    wider.each([](double x) { return 2 * x; });
    const double weak = value(loss, wider), strong = value(stronger, b);
    CHECK(same(weak, strong) == (e.beta_power == 0));
    CHECK(same(weak, 4 * strong) == (e.beta_power == 2));
  }

  // Exchanging a pair's responses is no invariance of any preference loss.
  batch exchanged = b;
  std::swap(exchanged.chosen, exchanged.rejected);
  std::swap(exchanged.chosen_reference, exchanged.rejected_reference);
  std::swap(exchanged.chosen_length, exchanged.rejected_length);
  std::swap(exchanged.score_chosen, exchanged.score_rejected);
  CHECK_FALSE(same(value(loss, exchanged), v));
  // But with all signs reversed as well it is one of many.
  exchanged.each([](double x) { return -x; });
  CHECK(same(value(loss, exchanged), v) == e.reversal);

  batch longer = b;
  longer.chosen_length[2] += 7;
  CHECK_FALSE(same(value(loss, longer), v) == e.lengths);

  // The order of a batch means nothing to any.
  batch turned = b;
  const auto turn = [](auto& column) { std::rotate(column.begin(), column.begin() + 1, column.end()); };
  for (auto* column : {&turned.chosen, &turned.rejected, &turned.chosen_reference, &turned.rejected_reference, &turned.score_chosen,
                       &turned.score_rejected, &turned.win})
    turn(*column);
  turn(turned.chosen_length), turn(turned.rejected_length);
  std::vector<double> gradient(4), turned_gradient(4);
  evaluate(loss, b.view(loss), {.gradient_chosen = gradient});
  evaluate(loss, turned.view(loss), {.gradient_chosen = turned_gradient});
  turn(gradient);
  CHECK(same(value(loss, turned), v));
  CHECK(test::all_close(turned_gradient, gradient, tolerance<double>::sum(16), 1));

  pair_batch<double> first = b.view(loss, 0, 1), rest = b.view(loss, 1, 3);
  first.divisor = rest.divisor = 4;
  CHECK(same(evaluate(loss, first).loss + evaluate(loss, rest).loss, v) == e.splits);
  CHECK(e.splits == !has_statistic<L>);
}

/// The default, but for hyper-parameters at which a term would not be seen.
template <class L> L telling() { return {}; }
template <> exo_pair telling() { return {.beta = 0.5, .label_smoothing = 0.2}; }
template <> alphapo telling() { return {.beta = 0.5}; }
template <> slic telling() { return {.slic_delta = 4, .slic_lambda = 0.25}; }
template <> rdpo telling() { return {.rdpo_alpha = 0.5}; }
template <> without_reference<hinge> telling() { return {{.beta = 0.25}}; }

}  // namespace

TEST_CASE("invariances of every pair loss") {
  std::apply([]<class... L>(const L&...) { (check(telling<L>()), ...); }, pair_losses{});
  CHECK(table.size() == std::tuple_size_v<pair_losses>);
}
