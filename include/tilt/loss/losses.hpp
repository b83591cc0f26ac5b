// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>
#include <tilt/loss/all_pairs.hpp>
#include <tilt/loss/aot.hpp>
#include <tilt/loss/apo.hpp>
#include <tilt/loss/apo_zero_unpaired.hpp>
#include <tilt/loss/bco.hpp>
#include <tilt/loss/bco_pair.hpp>
#include <tilt/loss/cal_dpo.hpp>
#include <tilt/loss/cpo.hpp>
#include <tilt/loss/discopop.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/dpo_positive.hpp>
#include <tilt/loss/exo_pair.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/loss/kto_pair.hpp>
#include <tilt/loss/likelihood.hpp>
#include <tilt/loss/lipo.hpp>
#include <tilt/loss/modifiers.hpp>
#include <tilt/loss/nca_pair.hpp>
#include <tilt/loss/negatives.hpp>
#include <tilt/loss/odpo.hpp>
#include <tilt/loss/orpo.hpp>
#include <tilt/loss/plackett_luce.hpp>
#include <tilt/loss/rdpo.hpp>
#include <tilt/loss/robust.hpp>
#include <tilt/loss/sigmoid_norm.hpp>
#include <tilt/loss/simpo.hpp>
#include <tilt/loss/slic.hpp>
#include <tilt/loss/softmax_dpo.hpp>
#include <tilt/loss/sppo.hpp>
#include <tuple>
#include <vector>

namespace tilt {

/// The library's losses, for programs that choose one at run time. A new loss is a line here.
using pair_losses = std::tuple<dpo, hinge, ipo, exo_pair, nca_pair, robust_dpo, bco_pair, sppo_hard, sppo, aot, aot_unpaired, apo_zero,
                               apo_down, discopop, sft, sigmoid_norm, dpo_positive, odpo, rdpo, cal_dpo, kto_pair, cpo, simpo, alphapo,
                               orpo, slic, without_reference<dpo>, without_reference<hinge>, without_reference<ipo>>;
using labelled_losses = std::tuple<kto, apo_zero_unpaired, bco>;
using list_losses = std::tuple<plackett_luce, all_pairs, lipo, softmax_dpo, dpo_negatives, dpo_negatives_naive>;

/// Calls use(L{}) for the loss of this name, and tells whether there is one.
template <class Losses, class F> bool with_loss(std::string_view name, F&& use) {
  const auto try_one = [&]<class L>(const L& loss) { return L::name == name && (use(loss), true); };
  return std::apply([&](const auto&... loss) { return (try_one(loss) || ...); }, Losses{});
}

/// A line of the table of losses. In formulas: ℓ = log π(y|x), u = ℓ − log π_ref(y|x), n the length, ± the chosen and the rejected response,
/// Δ = u⁺ − u⁻.
struct loss_description {
  std::string_view name;  ///< TRL's loss_type where TRL has the loss
  std::string_view formula;
  bool reference = true;  ///< whether a reference is compared with
  std::string_view data;  ///< "pairs", "labelled" or "lists", and what else it reads
  std::vector<std::string_view> options;
  std::string_view paper;
};

template <class L> loss_description describe(const L& loss) {
  const auto names = option_names<L>();
  std::string_view data = "labelled";
  if constexpr (pair_loss<L>)
    data = uses_scores(loss) ? "pairs, scores" : uses_win_probability(loss) ? "pairs, win probabilities" : "pairs";
  else if constexpr (list_loss<L>)
    data = uses_scores(loss) ? "lists, scores" : "lists";
  return {L::name, L::formula, uses_reference<L>(), data, {names.begin(), names.end()}, L::paper};
}

/// The table of all losses.
inline std::vector<loss_description> loss_table() {
  std::vector<loss_description> table;
  std::apply([&](const auto&... loss) { (table.push_back(describe(loss)), ...); },
             std::tuple_cat(pair_losses{}, labelled_losses{}, list_losses{}));
  return table;
}

}  // namespace tilt
