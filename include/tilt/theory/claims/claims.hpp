// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/theory/claims/cross_entropy.hpp>
#include <tilt/theory/claims/displacement.hpp>
#include <tilt/theory/claims/exact_frontier.hpp>
#include <tilt/theory/claims/finite_optimum.hpp>
#include <tilt/theory/claims/gradient_weight.hpp>
#include <tilt/theory/claims/iterated_tilt.hpp>
#include <tilt/theory/claims/kto_value.hpp>
#include <tilt/theory/claims/masks.hpp>
#include <tilt/theory/claims/optimal_policy.hpp>
#include <tilt/theory/claims/pathwise_gradient.hpp>
#include <tilt/theory/claims/prompt_tokens.hpp>
#include <tilt/theory/claims/recovery.hpp>
#include <tilt/theory/claims/sampled_pairs.hpp>
#include <tilt/theory/claims/strength_and_distance.hpp>
#include <tilt/theory/claims/training_memory.hpp>
#include <tilt/theory/claims/unbounded_penalty.hpp>
#include <tilt/theory/claims/unseen_answers.hpp>
#include <tilt/theory/claims/vocabulary_sum.hpp>

namespace tilt {

/// Every claim, each with the function that measures it; a new one is a line here.
constexpr claim (*all_claims[])() = {claim_optimal_policy, claim_vocabulary_sum,    claim_masks,           claim_displacement,
                                     claim_unseen_answers, claim_finite_optimum,    claim_gradient_weight, claim_strength_and_distance,
                                     claim_recovery,       claim_pathwise_gradient, claim_sampled_pairs,   claim_unbounded_penalty,
                                     claim_kto_value,      claim_iterated_tilt,     claim_training_memory, claim_exact_frontier,
                                     claim_prompt_tokens,  claim_cross_entropy};

}  // namespace tilt
