// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/theory/claim.hpp>

namespace tilt {

/// Claim 17. A pair with and without its prompt's 20 tokens in the log-probabilities: what it changes in each loss, and the slope that
/// falls on the prompt (that of the chosen side and that of the rejected one, since the prompt is in both).
inline claim claim_prompt_tokens() {
  constexpr index n = 7, m = 12, prompt = 20;
  constexpr double policy = -43.5, reference = -47.25, a = 1.5, b = -2.25;  // the prompt's log-probabilities; the responses' log-ratios
  const pair_logps<double> without{{-9 + a, -9, n}, {-17 + b, -17, m}};
  const pair_logps<double> with{{-9 + a + policy, -9 + reference, n + prompt}, {-17 + b + policy, -17 + reference, m + prompt}};
  const auto change = [&](const auto& loss) { return loss(with) - loss(without); };
  const auto pull = [&](const auto& loss) {
    const dual<double, 2> d = differentiate(loss, with);
    return d.slope[0] + d.slope[1];
  };
  const double beta = 0.1, target = 1 / (2 * beta), drift = policy - reference;
  const double average = (a + drift) / 27 - (b + drift) / 32 - target, alone = a / 7 - b / 12 - target;
  const kto single{.beta = beta};
  const auto good = [&](const response_logps<double>& y) { return differentiate(single, labelled_logps<double>{y, true}, 0.0); };
  const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
  return {
      17,
      "Prompts may be left in the loss",
      "They cancel in Δ, hence in DPO, and in whatever else is a function of sums' difference. They do not in a mean over tokens (IPO as "
      "it is trained), in a loss of single "
      "responses (KTO) or in an SFT term: there the prompt is trained too.",
      {{"DPO: change of the loss", change(dpo{.beta = beta}), 0, claim_bound::rounding},
       {"DPO: slope on the prompt", pull(dpo{.beta = beta}), 0, 0},
       {"IPO over sums: change", change(ipo{.beta = beta, .token_average = false}), 0, claim_bound::rounding},
       {"IPO over token means: change", change(ipo{.beta = beta}), average * average - alone * alone, claim_bound::rounding},
       {"IPO over token means: slope on the prompt", pull(ipo{.beta = beta}), 2 * average * (1 / 27.0 - 1 / 32.0), claim_bound::rounding},
       {"KTO, a good response: change", good(with.chosen).value - good(without.chosen).value, sigma(-beta * (a + drift)) - sigma(-beta * a),
        claim_bound::rounding},
       {"KTO, a good response: slope on the prompt", good(with.chosen).slope[0],
        -beta * sigma(beta * (a + drift)) * sigma(-beta * (a + drift)), claim_bound::rounding},
       {"SFT, mean over tokens: change", -with.chosen.policy / with.chosen.length() + without.chosen.policy / without.chosen.length(),
        (9 - a - policy) / 27 - (9 - a) / 7, claim_bound::rounding}}};
}

}  // namespace tilt
