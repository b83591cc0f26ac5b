// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <numeric>
#include <string>
#include <tilt/loss/divergence.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/list_risk.hpp>
#include <tilt/theory/tabular.hpp>
#include <vector>

namespace tilt {

/// The policy over a handful of answers that minimises a loss, against the one that theory has for it.
struct policy_optimum {
  std::string loss, setting, formula;
  measurement distance;  ///< total variation, expected 0
  double from_tilt = 0;  ///< total variation to π_ref·exp(r/β)/Z
};

namespace detail {

/// The policy with log π(y) = score(y, c), c such that it sums to 1; score is increasing in c. By bisection.
template <class Score> std::vector<double> normalised_by(const answer_set& world, const Score& score) {
  std::vector<double> logps(world.size());
  const auto excess = [&](double c) {
    for (std::size_t y = 0; y < world.size(); ++y) logps[y] = score(y, c);
    return tilt::log_sum_exp(logps);
  };
  double low = -1, high = 1;
  while (excess(low) > 0) low *= 2;
  while (excess(high) < 0) high *= 2;
  for (double middle = low + (high - low) / 2; middle != low && middle != high; middle = low + (high - low) / 2)
    (excess(middle) > 0 ? high : low) = middle;
  excess(low);
  return logps;
}

/// u with link(u) = s, link increasing; −∞ where none is small enough. By bisection.
inline double inverse_link(const divergence_link& link, double s) {
  double low = -700, high = 700;
  for (double middle = 0; middle != low && middle != high; middle = low + (high - low) / 2) (link(middle) > s ? high : low) = middle;
  return low + (high - low) / 2;
}

}  // namespace detail

/// Losses whose optimum over all policies is known, on five answers of several lengths (lists: three), every pair compared equally often
/// unless said, labels by Bradley–Terry (rankings by Plackett–Luce), β = 0.5. Found by minimize() from π_ref.
inline std::vector<policy_optimum> policy_optima() {
  constexpr double beta = 0.5;
  answer_set world{{}, {1.0, 0.6, 0.1, -0.4, -1.0}, {3, 8, 2, 5, 6}};
  for (const double p : {0.048, 0.152, 0.3, 0.3, 0.2}) world.reference_logps.push_back(std::log(p));
  answer_set three{{std::log(0.2), std::log(0.5), std::log(0.3)}, {0.8, 0.1, -0.7}};
  const std::vector<double> tilt = tilted(world.reference_logps, world.rewards, beta), uniform(world.size(), 0.0);
  const std::vector<double> tilt_at_1 = tilted(world.reference_logps, world.rewards, 1);
  const std::vector<preference> every_pair = bradley_terry_preferences(world);
  const auto from_reference = [&](std::size_t a, std::size_t b) { return std::exp(world.reference_logps[a] + world.reference_logps[b]); };

  std::vector<policy_optimum> rows;
  const auto add_result = [&](std::string_view name, std::string setting, std::string formula, const std::vector<double>& found,
                              const std::vector<double>& theory, const std::vector<double>& plain_tilt) {
    rows.push_back({std::string(name),
                    std::move(setting),
                    std::move(formula),
                    {"total variation", total_variation(found, theory), 0, claim_bound::rounding},
                    total_variation(found, plain_tilt)});
  };
  const auto add = [&]<class L>(const L& loss, std::string setting, const std::vector<preference>& data, std::string formula,
                                const std::vector<double>& theory, const std::vector<double>& plain_tilt) {
    const minimum m = minimize(tabular_risk<L>(loss, world, data), reference_parameters(world), 1000);
    add_result(L::name, std::move(setting), std::move(formula), log_softmax(m.at), theory, plain_tilt);
  };

  add(dpo{.beta = beta}, "", every_pair, "π_ref·exp(r/β)/Z", tilt, tilt);
  add(dpo{.beta = beta}, "pairs drawn from π_ref", bradley_terry_preferences(world, from_reference), "π_ref·exp(r/β)/Z", tilt, tilt);
  std::vector<preference> noisy = every_pair;
  for (const preference& c : every_pair) noisy.push_back({c.rejected, c.chosen, 0.2 * c.weight});
  for (std::size_t i = 0; i < every_pair.size(); ++i) noisy[i].weight *= 0.8;
  add(robust_dpo{.beta = beta, .label_smoothing = 0.2}, "ε = 0.2, a fifth of the labels flipped", noisy, "π_ref·exp(r/β)/Z", tilt, tilt);
  add(ipo{.beta = beta, .token_average = false}, "sums, pairs drawn from π_ref", bradley_terry_preferences(world, from_reference),
      "π_ref·exp(g/β)/Z, g the win rates", tilted(world.reference_logps, win_rates(world.reference_logps, world.rewards), beta), tilt);
  std::vector<preference> with_ties = bradley_terry_preferences(world, from_reference);
  for (std::size_t y = 0; y < world.size(); ++y) with_ties.push_back({y, y, from_reference(y, y) / 2});
  std::vector<double> win_ratio = win_rates(world.reference_logps, world.rewards);
  for (double& g : win_ratio) g = std::log(2 * g);
  add(nca_pair{.beta = 1}, "β = 1, pairs drawn from π_ref, equals too", with_ties, "2·π_ref·g", tilted(world.reference_logps, win_ratio, 1),
      tilt_at_1);
  std::vector<double> priced = world.rewards;
  for (std::size_t y = 0; y < world.size(); ++y) priced[y] -= 0.1 * static_cast<double>(world.length(y));
  add(rdpo{.beta = beta, .rdpo_alpha = 0.1}, "α = 0.1", every_pair, "π_ref·exp((r − αn)/β)/Z", tilted(world.reference_logps, priced, beta),
      tilt);
  const auto length = [&](std::size_t y) { return static_cast<double>(world.length(y)); };
  add(sigmoid_norm{.beta = beta}, "", every_pair, "π_ref·exp(n(r/β + c))",
      detail::normalised_by(world,
                            [&](std::size_t y, double c) { return world.reference_logps[y] + length(y) * (world.rewards[y] / beta + c); }),
      tilt);
  add(simpo{.beta = beta, .simpo_gamma = 0}, "γ = 0", every_pair, "exp(n(r/β + c))",
      detail::normalised_by(world, [&](std::size_t y, double c) { return length(y) * (world.rewards[y] / beta + c); }), tilt);
  add(without_reference<dpo>{{.beta = beta}}, "", every_pair, "exp(r/β)/Z", tilted(uniform, world.rewards, beta), tilt);
  struct divergence_row {
    divergence type;
    std::string name;
  };
  for (const auto& [type, name] : {divergence_row{divergence::forward_kl, "forward KL"},
                                   {divergence::js_divergence, "Jensen–Shannon"},
                                   {divergence::alpha_divergence, "α = 0.5"}}) {
    const divergence_link link{type};
    add(with_divergence<dpo>{{.beta = 2 * beta}, link}, name + ", β = 1", every_pair, "π_ref·(f′)⁻¹(r/β + c)",
        detail::normalised_by(world,
                              [&](std::size_t y, double c) {
                                return world.reference_logps[y] + detail::inverse_link(link, world.rewards[y] / (2 * beta) + c);
                              }),
        tilt_at_1);
  }

  const std::vector<double> tilt_of_three = tilted(three.reference_logps, three.rewards, beta);
  const auto add_list = [&]<class L>(const L& loss) {
    const minimum m = minimize(list_risk<L>(loss, three, plackett_luce_rankings(three)), reference_parameters(three), 1000);
    add_result(L::name, "rankings of three", "π_ref·exp(r/β)/Z", log_softmax(m.at), tilt_of_three, tilt_of_three);
  };
  add_list(plackett_luce{.beta = beta});
  add_list(all_pairs{.beta = beta});
  add_list(softmax_dpo{.beta = beta});

  // The first two answers compared at 70 : 30, the third a bad one each time: what is left of the policy is DPO's.
  const double gap = std::log(0.7 / 0.3) / beta + three.reference_logps[0] - three.reference_logps[1];
  const std::vector<double> without_third = {log_sigmoid(gap), log_sigmoid(-gap), -1e9};
  const minimum m =
      minimize(list_risk<dpo_negatives>({.beta = beta}, three, {{{0, 1, 2}, 0.7}, {{1, 0, 2}, 0.3}}), reference_parameters(three), 1000);
  add_result(dpo_negatives::name, "a pair at 70 : 30 and a bad answer", "DPO's on the pair, 0 for the bad answer", log_softmax(m.at),
             without_third, tilted(three.reference_logps, std::vector<double>{std::log(0.7 / 0.3), 0, 0}, beta));
  return rows;
}

}  // namespace tilt
