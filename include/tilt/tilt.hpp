// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything that needs only the standard library, in the order in which it builds up. Files are in <tilt/io/...>, backends in
// <tilt/backend/...>. A program that uses one thing includes that thing's own header.
#include <tilt/error.hpp>
#include <tilt/version.hpp>

#include <tilt/scalar/categorical.hpp>
#include <tilt/scalar/config.hpp>
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/gelu.hpp>
#include <tilt/scalar/log1mexp.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tilt/scalar/packet.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/scalar/relu.hpp>
#include <tilt/scalar/scalar.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <tilt/scalar/silu.hpp>
#include <tilt/scalar/softplus.hpp>
#include <tilt/scalar/square.hpp>

#include <tilt/tensor/arena.hpp>
#include <tilt/tensor/backend.hpp>
#include <tilt/tensor/elementwise.hpp>
#include <tilt/tensor/packed_gemm.hpp>
#include <tilt/tensor/packed_trees.hpp>
#include <tilt/tensor/packet_backend.hpp>
#include <tilt/tensor/packet_team.hpp>
#include <tilt/tensor/reference.hpp>
#include <tilt/tensor/team.hpp>
#include <tilt/tensor/threads.hpp>
#include <tilt/tensor/tree_layout.hpp>
#include <tilt/tensor/view.hpp>
#include <tilt/tensor/worker_pool.hpp>

#include <tilt/loss/concepts.hpp>
#include <tilt/loss/differentiate.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/evaluate.hpp>
#include <tilt/loss/hinge.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/loss/logits.hpp>
#include <tilt/loss/logps.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/loss/metrics.hpp>
#include <tilt/loss/options.hpp>
#include <tilt/loss/ranges.hpp>

#include <tilt/model/attention.hpp>
#include <tilt/model/config.hpp>
#include <tilt/model/decoder.hpp>
#include <tilt/model/embedding.hpp>
#include <tilt/model/feed_forward.hpp>
#include <tilt/model/head.hpp>
#include <tilt/model/layer.hpp>
#include <tilt/model/linear.hpp>
#include <tilt/model/norm.hpp>
#include <tilt/model/parameters.hpp>
#include <tilt/model/pass.hpp>
#include <tilt/model/rope.hpp>
#include <tilt/model/transformer.hpp>

#include <tilt/optim/adamw.hpp>
#include <tilt/optim/gradient_norm.hpp>
#include <tilt/optim/optimizer.hpp>
#include <tilt/optim/rmsprop.hpp>
#include <tilt/optim/schedule.hpp>
#include <tilt/optim/sgd.hpp>
#include <tilt/optim/update.hpp>

#include <tilt/data/order.hpp>
#include <tilt/data/pack.hpp>
#include <tilt/data/prompt_tree.hpp>

#include <tilt/train/batch_gradient.hpp>
#include <tilt/train/fingerprint.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/metrics.hpp>
#include <tilt/train/objective.hpp>
#include <tilt/train/options.hpp>
#include <tilt/train/plan.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/reference.hpp>
#include <tilt/train/reference_cache.hpp>
#include <tilt/train/scores.hpp>
#include <tilt/train/sft.hpp>
#include <tilt/train/state.hpp>
#include <tilt/train/step_range.hpp>
#include <tilt/train/trainer.hpp>

#include <tilt/rl/advantages.hpp>
#include <tilt/rl/gae.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/rl/grpo.hpp>
#include <tilt/rl/kl_controller.hpp>
#include <tilt/rl/kl_estimators.hpp>
#include <tilt/rl/ppo.hpp>
#include <tilt/rl/rloo.hpp>
#include <tilt/rl/sampling.hpp>
#include <tilt/rl/surrogates.hpp>
#include <tilt/rl/token_batch.hpp>
#include <tilt/rl/token_rewards.hpp>

#include <tilt/theory/bradley_terry.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/theory/claims/claims.hpp>
#include <tilt/theory/claims/cross_entropy.hpp>
#include <tilt/theory/claims/displacement.hpp>
#include <tilt/theory/claims/finite_optimum.hpp>
#include <tilt/theory/claims/gradient_weight.hpp>
#include <tilt/theory/claims/kto_value.hpp>
#include <tilt/theory/claims/masks.hpp>
#include <tilt/theory/claims/optimal_policy.hpp>
#include <tilt/theory/claims/prompt_tokens.hpp>
#include <tilt/theory/claims/recovery.hpp>
#include <tilt/theory/claims/small_world.hpp>
#include <tilt/theory/claims/strength_and_distance.hpp>
#include <tilt/theory/claims/unbounded_penalty.hpp>
#include <tilt/theory/claims/unseen_answers.hpp>
#include <tilt/theory/claims/vocabulary_sum.hpp>
#include <tilt/theory/descend.hpp>
#include <tilt/theory/minimize.hpp>
#include <tilt/theory/prefix_tree.hpp>
#include <tilt/theory/tabular.hpp>
#include <tilt/theory/tilted.hpp>
#include <tilt/theory/world.hpp>
