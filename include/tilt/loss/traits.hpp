// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/concepts.hpp>

namespace tilt {

// What a loss may say of itself beside its formula, and what is understood where it says nothing.

/// Whether L compares with a reference. A loss that does not says `static constexpr bool reference_free = true`.
template <class L> constexpr bool uses_reference() {
  if constexpr (requires { L::reference_free; })
    return !L::reference_free;
  else
    return true;
}

/// Whether L sees a pair only through the log-ratios of its responses (and their lengths), and in a way in which another link between
/// log-ratio and score makes sense, because only differences of scores count: `static constexpr bool of_margin = true`. Then
/// f-divergences and target margins compose with it.
template <class L> constexpr bool is_of_margin() {
  if constexpr (requires { L::of_margin; })
    return L::of_margin;
  else
    return false;
}

/// Whether pairs may have weights. No where a loss joins responses of different pairs: `static constexpr bool weighable = false`.
template <class L> constexpr bool takes_weights() {
  if constexpr (requires { L::weighable; })
    return L::weighable;
  else
    return true;
}

/// Whether log-probabilities that leave out part of a response (LD-DPO) may stand for it. No where the loss has a likelihood of whole
/// responses in it: `static constexpr bool whole_responses = true`.
template <class L> constexpr bool takes_ld_alpha() {
  if constexpr (requires { L::whole_responses; })
    return !L::whole_responses;
  else
    return true;
}

// The same of a loss at hand, which may stand for one that is known at run time only (any_pair_loss).
template <class L> constexpr bool is_of_margin(const L& loss) {
  if constexpr (requires { loss.is_of_margin(); })
    return loss.is_of_margin();
  else
    return is_of_margin<L>();
}
template <class L> constexpr bool takes_weights(const L& loss) {
  if constexpr (requires { loss.takes_weights(); })
    return loss.takes_weights();
  else
    return takes_weights<L>();
}
template <class L> constexpr bool takes_ld_alpha(const L& loss) {
  if constexpr (requires { loss.takes_ld_alpha(); })
    return loss.takes_ld_alpha();
  else
    return takes_ld_alpha<L>();
}

/// Whether the formula, with these hyper-parameters, reads the responses' lengths. A loss that may says so with uses_lengths().
template <class L> constexpr bool uses_lengths(const L& loss) {
  if constexpr (requires { loss.uses_lengths(); })
    return loss.uses_lengths();
  else
    return false;
}

/// Whether it reads the responses' scores: uses_scores().
template <class L> constexpr bool uses_scores(const L& loss) {
  if constexpr (requires { loss.uses_scores(); })
    return loss.uses_scores();
  else
    return false;
}

/// Whether it reads the pairs' win probabilities: uses_win_probability().
template <class L> constexpr bool uses_win_probability(const L& loss) {
  if constexpr (requires { loss.uses_win_probability(); })
    return loss.uses_win_probability();
  else
    return false;
}

/// The reward that the policy itself stands for (Rafailov et al. 2023, arXiv 2305.18290, §4), β·log π(y|x)/π_ref(y|x), up to a term of
/// the prompt; or the loss's own reward(y), if it defines one.
template <class L, class T> TILT_HD T implicit_reward(const L& loss, const response_logps<T>& y) {
  if constexpr (requires { loss.reward(y); })
    return loss.reward(y);
  else
    return constant<T>(loss.beta) * y.log_ratio();
}

}  // namespace tilt
