// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <tilt/loss/losses.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/two_answers.hpp>
#include <vector>

namespace tilt {

/// Where training with a loss ends, from π = π_ref, in the world of two answers.
struct loss_optimum {
  std::string loss;        ///< its name
  std::string setting;     ///< hyper-parameters and world, where they are not the usual ones
  std::string coordinate;  ///< what is measured at the end
  std::string formula;     ///< what theory has for it; empty: no closed form
  /// Labels in the proportion 70 : 30. `expected` is the closed form's; without one, the place of the least value, found by values alone.
  measurement end;
  double always_won = 0;  ///< Δ at the end where the better answer has won every time; ±∞: it never ends
};

namespace detail {

constexpr double unbounded = std::numeric_limits<double>::infinity();

/// Collects optima. A loss's end is compared with the closed form, as a number in its coordinate; with none, with the value's least place.
class optima_table {
 public:
  /// `coordinate(world, θ)` is what is measured; `expected` is NaN where there is no closed form.
  template <class L, class Coordinate>
  void add(const L& loss, const two_answers& world, std::string setting, std::string coordinate_name, const Coordinate& coordinate,
           std::string formula, double expected) {
    const double theta = end_of(loss, world, world.reference);
    const double nearby =
        std::isfinite(theta) ? least_near([&](double at) { return population(loss, world, at).value; }, theta, 0.25) : theta;
    const bool known = !std::isnan(expected);
    two_answers always = world;
    always.wins = world.wins + world.losses, always.losses = 0;
    const double won = end_of(loss, always, world.reference);
    rows_.push_back({std::string(L::name),
                     std::move(setting),
                     coordinate_name,
                     std::move(formula),
                     {coordinate_name, coordinate(world, theta), known ? expected : coordinate(world, nearby),
                      known ? claim_bound::rounding : by_value},
                     won - world.reference});
  }
  std::vector<loss_optimum> take() { return std::move(rows_); }

 private:
  /// The least value's place is known to the root of rounding.
  static constexpr double by_value = 2e-6;
  template <class L> static double end_of(const L& loss, const two_answers& world, double start) {
    return flow_limit([&](double theta) { return population(loss, world, theta).slope; }, start);
  }
  std::vector<loss_optimum> rows_;
};

/// d with p·σ(γ − d) = q·σ(γ + d): the best margin where pairs are to be won by γ, q = 1 − p; log(p/q) at γ = 0.
inline double best_offset_margin(double p, double gamma) {
  const double q = 1 - p, c = std::exp(gamma), b = (p - q) * c;
  return std::log((b + std::sqrt(b * b + 4 * p * q)) / (2 * q));
}

}  // namespace detail

/// The optimum of every loss of losses.hpp at 70 : 30 labels, r(better) − r(worse) = log(7/3), Bradley–Terry's for that proportion. β = 0.1
/// and a uniform reference where the row says nothing else.
inline std::vector<loss_optimum> loss_optima() {
  constexpr double p = 0.7, beta = 0.1, none = std::numeric_limits<double>::quiet_NaN();
  const double logit = std::log(p / (1 - p)), flipped = 0.66;  // p·0.9 + (1 − p)·0.1
  const two_answers usual{.reward = logit};
  const two_answers rare{.reference = -logit, .reward = logit};  // π_ref(better) = 0.3
  two_answers lengths = rare, noisy = usual;
  lengths.better_tokens = 2, lengths.worse_tokens = 5;
  noisy.wins = 66, noisy.losses = 34;  // 70 : 30, of which a tenth is flipped

  const auto delta = [](const two_answers& w, double theta) { return theta - w.reference; };
  const auto odds = [](const two_answers&, double theta) { return theta; };
  const auto u_better = [](const two_answers& w, double theta) { return w.better(theta).log_ratio(); };
  const auto mean_delta = [](const two_answers& w, double theta) {
    return w.better(theta).mean_log_ratio() - w.worse(theta).mean_log_ratio();
  };
  const auto reward_of = [](const auto& loss) {
    return [loss](const two_answers& w, double theta) {
      return implicit_reward(loss, w.better(theta)) - implicit_reward(loss, w.worse(theta));
    };
  };
  const std::string of_delta = "Δ", of_odds = "log π⁺/π⁻", of_mean = "u⁺/n⁺ − u⁻/n⁻", skewed = "π_ref(better) = 0.3",
                    with_lengths = skewed + ", lengths 2 and 5";

  detail::optima_table t;
  t.add(dpo{}, rare, skewed, of_delta, delta, "logit(p)/β", logit / beta);
  t.add(dpo{.label_smoothing = 0.1}, usual, "ε = 0.1", of_delta, delta, "logit(p(1 − ε) + (1 − p)ε)/β",
        std::log(flipped / (1 - flipped)) / beta);
  t.add(robust_dpo{.label_smoothing = 0.1}, noisy, "ε = 0.1, a tenth of the labels flipped", of_delta, delta,
        "logit(p)/β, p before the flips", logit / beta);
  t.add(hinge{}, rare, skewed, of_delta, delta, "±1/β, the sign of p − ½", 1 / beta);
  t.add(ipo{}, lengths, with_lengths, of_mean, mean_delta, "(2p − 1)/(2β)", (2 * p - 1) / (2 * beta));
  t.add(ipo{.token_average = false}, rare, "sums, " + skewed, of_delta, delta, "(2p − 1)/(2β)", (2 * p - 1) / (2 * beta));
  t.add(exo_pair{}, rare, skewed, of_delta, delta, "(2p − 1)·log((1 − ε)/ε)/β", (2 * p - 1) * std::log(0.999 / 0.001) / beta);
  t.add(nca_pair{.beta = 1}, usual, "β = 1", "u⁺", u_better, "log(2p)", std::log(2 * p));
  t.add(bco_pair{}, usual, "", of_delta, delta, "", none);
  t.add(sppo_hard{}, usual, "", of_delta, delta, "", none);
  t.add(sppo{}, usual, "p given", of_delta, delta, "", none);
  t.add(aot{}, usual, "", of_delta, delta, "logit(p)/β, if the reference's gaps are equal", logit / beta);
  t.add(aot_unpaired{}, usual, "", of_delta, delta, "∞: ranks of wins lie above those of losses", detail::unbounded);
  t.add(apo_zero{}, usual, "", of_delta, delta, "∞ for p > ½", detail::unbounded);
  t.add(apo_down{}, usual, "", of_delta, delta, "∞ for p > ½ and β < 1", detail::unbounded);
  t.add(discopop{}, usual, "", of_delta, delta, "", none);
  t.add(sft{}, rare, skewed, of_odds, odds, "logit(p): it imitates what is chosen", logit);
  t.add(sigmoid_norm{}, lengths, with_lengths, of_mean, mean_delta, "logit(p)/β", logit / beta);
  t.add(dpo_positive{}, usual, "", of_delta, delta, "0, a kink, for λ > 2(2p − 1)/(1 − p)", 0);
  t.add(odpo{}, usual, "scores r", of_delta, delta, "∞: lost pairs count nothing", detail::unbounded);
  t.add(odpo{.odpo_log = false}, usual, "scores r, f = id", of_delta, delta, "(logit(p) + α(s⁺ − s⁻))/β", 2 * logit / beta);
  t.add(rdpo{}, lengths, with_lengths, of_delta, delta, "(logit(p) − α(n⁺ − n⁻))/β", (logit + 0.03) / beta);
  t.add(cal_dpo{}, usual, "", of_delta, delta, "", none);
  t.add(kto_pair{}, usual, "", of_delta, delta, "∞, as kto", detail::unbounded);
  t.add(cpo{.cpo_alpha = 0}, rare, "α = 0, " + skewed, of_odds, odds, "logit(p)/β", logit / beta);
  t.add(cpo{.beta = 1}, rare, "β = 1, " + skewed, of_odds, odds, "logit(p)", logit);
  t.add(simpo{}, lengths, with_lengths, "β(ℓ⁺/n⁺ − ℓ⁻/n⁻)", reward_of(simpo{}), "d with pσ(γ − d) = (1 − p)σ(γ + d)",
        detail::best_offset_margin(p, 0.5));
  t.add(alphapo{}, lengths, with_lengths, "β(r⁺ − r⁻)", reward_of(alphapo{}), "d with pσ(γ − d) = (1 − p)σ(γ + d)",
        detail::best_offset_margin(p, 0.5));
  t.add(orpo{.nll_weight = 0}, usual, "odds ratio alone", of_odds, odds, "logit(p)/2", logit / 2);
  t.add(orpo{}, usual, "", of_odds, odds, "", none);
  t.add(slic{}, rare, skewed, of_odds, odds, "δ, while λ is small", 1);
  t.add(without_reference<dpo>{}, rare, skewed, of_odds, odds, "logit(p)/β", logit / beta);
  t.add(without_reference<hinge>{}, rare, skewed, of_odds, odds, "1/β", 1 / beta);
  t.add(without_reference<ipo>{}, rare, skewed, of_odds, odds, "(2p − 1)/(2β)", (2 * p - 1) / (2 * beta));
  t.add(kto{}, usual, "", of_delta, delta, "∞: σ is all or nothing", detail::unbounded);
  t.add(apo_zero_unpaired{}, usual, "", of_delta, delta, "∞", detail::unbounded);
  t.add(bco{}, usual, "δ the mean of both answers", of_delta, delta, "2·logit(p)/β", 2 * logit / beta);
  t.add(plackett_luce{}, rare, skewed, of_delta, delta, "logit(p)/β", logit / beta);
  t.add(all_pairs{}, rare, skewed, of_delta, delta, "logit(p)/β", logit / beta);
  t.add(softmax_dpo{}, rare, skewed, of_delta, delta, "logit(p)/β", logit / beta);
  t.add(lipo{}, usual, "scores r", of_delta, delta, "∞: the judge's order is certain", detail::unbounded);
  t.add(dpo_negatives{}, rare, "no negatives, " + skewed, of_delta, delta, "logit(p)/β", logit / beta);
  t.add(dpo_negatives_naive{}, rare, "no negatives, " + skewed, of_delta, delta, "logit(p)/β", logit / beta);
  return t.take();
}

}  // namespace tilt
