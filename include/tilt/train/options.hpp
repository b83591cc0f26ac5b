// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/loss/ranges.hpp>
#include <tilt/optim/optimizer.hpp>
#include <tilt/optim/schedule.hpp>

namespace tilt {

enum class optimizer_kind { adamw, rmsprop, sgd };

/// TRL's names, and those of transformers for the same mathematics.
inline optimizer_kind optimizer_from_name(std::string_view name) {
  for (const std::string_view known : {"adamw_torch", "adamw_torch_fused", "adamw"})
    if (name == known) return optimizer_kind::adamw;
  if (name == "rmsprop") return optimizer_kind::rmsprop;
  if (name == "sgd") return optimizer_kind::sgd;
  throw input_error("optim: \"" + std::string(name) + "\" is not known; take one of adamw_torch, adamw_torch_fused, rmsprop, sgd");
}

/// Which examples a batch statistic (KTO's z0, AOT's order) is taken over.
enum class statistics_scope {
  micro_batch,  ///< `batch_size` examples, as in TRL
  step,         ///< all examples of an optimiser step, so that splitting a step into micro-batches changes nothing
};

/// Where the reference's log-probabilities come from.
enum class reference_mode {
  cached,  ///< computed once, before the first step; costs 8 bytes a response token and no model
  online,  ///< a frozen copy of the model, run in every step; costs a second set of weights
};

/// What a run of training may be told; names and meaning are TRL's (transformers' TrainingArguments) where it has the thing.
struct training_options {
  double learning_rate = 1e-6;
  index batch_size = 8;                   ///< examples in a micro-batch (per_device_train_batch_size)
  index gradient_accumulation_steps = 1;  ///< micro-batches in a step
  index max_steps = -1;                   ///< positive: ends the run, whatever num_train_epochs says
  double num_train_epochs = 3;
  schedule_kind lr_scheduler_type = schedule_kind::linear;
  double warmup_steps = 0;                ///< below 1: a share of the run
  double warmup_ratio = 0;                ///< read where warmup_steps is 0
  double num_cycles = -1;                 ///< of the cosine schedules; -1: half a cycle, or one where it restarts
  double lr_end = 1e-7;                   ///< polynomial: the last learning rate
  double power = 1;                       ///< polynomial
  index timescale = 0;                    ///< inverse_sqrt; 0: warmup_steps, or 10000 without
  double min_lr_ratio = 0;                ///< cosine_with_min_lr and warmup_stable_decay
  index decay_steps = 0;                  ///< warmup_stable_decay
  optimizer_kind optim = optimizer_kind::adamw;
  double weight_decay = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;             ///< RMSprop's too
  double momentum = 0;                    ///< of RMSprop and SGD
  double rmsprop_alpha = 0.99;
  double max_grad_norm = 1;               ///< 0: no clipping
  index logging_steps = 10;               ///< steps whose metrics are averaged into a line
  bool logging_first_step = false;
  index eval_batch_size = 8;              ///< per_device_eval_batch_size
  index eval_steps = 0;                   ///< 0: no evaluation on the way
  bool eval_on_start = false;
  index save_steps = 0;                   ///< 0: no checkpoints on the way
  index save_total_limit = 0;             ///< the oldest checkpoints beyond it are removed; 0: none is
  bool keep_best = false;                 ///< a checkpoint of the evaluation with the lowest loss
  std::string output_dir = {};            ///< of checkpoints; empty: none are written
  std::uint64_t seed = 42;
  bool shuffle = true;
  index max_tokens = 4096;                ///< budget of a pack; bounds memory, and changes no result
  bool gradient_checkpointing = false;    ///< backward computes each layer again instead of keeping it: less memory, more time, the same bits
  index max_length = 0;                   ///< cuts KTO's mismatched pairs as the reader cuts the data; 0: nothing does
  statistics_scope statistics = statistics_scope::micro_batch;
  reference_mode reference = reference_mode::cached;
  std::string reference_cache = {};       ///< folder in which a cached reference's log-probabilities are kept for later runs; empty: nowhere
  bool sync_ref_model = false;            ///< TR-DPO (Gorbatovski et al. 2024, arXiv 2404.09656): the online reference follows the policy
  double ref_model_mixup_alpha = 0.6;     ///< α in π_ref ← α·π + (1 − α)·π_ref, of weights; 1 replaces it
  index ref_model_sync_steps = 512;       ///< steps from one such update to the next
  double kl_budget = 0;                   ///< ends the run once a logged `kl/k2` exceeds it; 0: none

  /// Throws input_error naming the first option that cannot be used.
  void check() const;

  /// The part of it that concerns a reference that moves: refused without one.
  void check_reference() const;

  /// The part of it that concerns the learning rate: an option that the schedule does not use is refused.
  void check_schedule() const;

  /// The optimiser that the flat names describe; an option that it does not use is refused.
  optimizer_options optimizer() const;
};

namespace detail {
inline void refuse_option(bool wrong, const char* name, double value, const char* remedy) {
  if (!wrong) return;
  throw input_error({name, ": ", number_text(value), " cannot be used; ", remedy});
}
}  // namespace detail

inline void training_options::check() const {
  const auto refuse = detail::refuse_option;
  const auto at_least = [&](index value, index least, const char* name, const char* remedy) {
    refuse(value < least, name, static_cast<double>(value), remedy);
  };
  refuse(!(learning_rate > 0 && std::isfinite(learning_rate)), "learning_rate", learning_rate, "give a positive number");
  at_least(batch_size, 1, "batch_size", "give 1 or more");
  at_least(gradient_accumulation_steps, 1, "gradient_accumulation_steps", "give 1 or more");
  refuse(max_steps == 0 || max_steps < -1, "max_steps", static_cast<double>(max_steps), "give 1 or more, or -1 to go by num_train_epochs");
  refuse(max_steps < 0 && !(num_train_epochs > 0 && std::isfinite(num_train_epochs)), "num_train_epochs", num_train_epochs, "give a positive number");
  refuse(!(warmup_steps >= 0 && std::isfinite(warmup_steps)), "warmup_steps", warmup_steps, "give 0 or more");
  refuse(!(warmup_ratio >= 0 && warmup_ratio <= 1), "warmup_ratio", warmup_ratio, "give 0 to 1");
  refuse(warmup_ratio > 0 && warmup_steps > 0, "warmup_ratio", warmup_ratio, "warmup_steps is given too, and one of them is enough");
  refuse(!(max_grad_norm >= 0), "max_grad_norm", max_grad_norm, "give a positive number, or 0 for no clipping");
  at_least(logging_steps, 1, "logging_steps", "give 1 or more");
  at_least(eval_batch_size, 1, "eval_batch_size", "give 1 or more");
  at_least(eval_steps, 0, "eval_steps", "give 0 or more");
  at_least(save_steps, 0, "save_steps", "give 0 or more");
  at_least(save_total_limit, 0, "save_total_limit", "give 0 or more");
  at_least(max_length, 0, "max_length", "give a positive number, or 0 for no limit");
  at_least(max_tokens, 1, "max_tokens", "give a positive number");
  refuse(!(kl_budget >= 0), "kl_budget", kl_budget, "give a positive number, or 0 for none");
  refuse(save_steps > 0 && output_dir.empty(), "save_steps", static_cast<double>(save_steps), "there is no output_dir to save in");
  refuse(keep_best && output_dir.empty(), "keep_best", 1, "there is no output_dir to save in");
  refuse(keep_best && eval_steps == 0, "keep_best", 1, "only evaluations on the way can be the best; give eval_steps");
  check_reference();
  check_schedule();
  std::visit([](const auto& chosen) { chosen.check(); }, optimizer());
}

inline void training_options::check_reference() const {
  const training_options usual;
  const auto refuse = detail::refuse_option;
  if (!reference_cache.empty() && sync_ref_model)
    throw input_error("reference_cache: with sync_ref_model the reference follows the policy, so that nothing of it holds for a later run; leave one of them away");
  if (!reference_cache.empty() && reference == reference_mode::online)
    throw input_error("reference_cache: an online reference is computed in every step and keeps nothing; leave it away, or take reference cached");
  refuse(sync_ref_model && reference != reference_mode::online, "sync_ref_model", 1, "a cached reference cannot move; give reference online");
  refuse(!sync_ref_model && ref_model_mixup_alpha != usual.ref_model_mixup_alpha, "ref_model_mixup_alpha", ref_model_mixup_alpha, "only sync_ref_model uses it");
  refuse(!sync_ref_model && ref_model_sync_steps != usual.ref_model_sync_steps, "ref_model_sync_steps", static_cast<double>(ref_model_sync_steps),
         "only sync_ref_model uses it");
  refuse(!(ref_model_mixup_alpha > 0 && ref_model_mixup_alpha <= 1), "ref_model_mixup_alpha", ref_model_mixup_alpha, "give more than 0, to 1");
  refuse(ref_model_sync_steps < 1, "ref_model_sync_steps", static_cast<double>(ref_model_sync_steps), "give 1 or more");
}

inline void training_options::check_schedule() const {
  using kind = schedule_kind;
  const training_options usual;
  const auto refuse = detail::refuse_option;
  const auto among = [this](std::initializer_list<kind> kinds) { return std::find(kinds.begin(), kinds.end(), lr_scheduler_type) != kinds.end(); };
  if (among({kind::constant})) {
    refuse(warmup_steps > 0, "warmup_steps", warmup_steps, "the schedule constant has no warm-up; take constant_with_warmup");
    refuse(warmup_ratio > 0, "warmup_ratio", warmup_ratio, "the schedule constant has no warm-up; take constant_with_warmup");
  }
  const bool waves = among({kind::cosine, kind::cosine_with_restarts, kind::cosine_with_min_lr, kind::warmup_stable_decay});
  refuse(num_cycles != usual.num_cycles && !waves, "num_cycles", num_cycles, "only the cosine schedules and warmup_stable_decay have them");
  refuse(num_cycles != usual.num_cycles && !(num_cycles >= 0 && std::isfinite(num_cycles)), "num_cycles", num_cycles, "give 0 or more");
  const bool polynomial = among({kind::polynomial});
  refuse(lr_end != usual.lr_end && !polynomial, "lr_end", lr_end, "only the schedule polynomial has it");
  refuse(power != usual.power && !polynomial, "power", power, "only the schedule polynomial has it");
  refuse(polynomial && !(lr_end < learning_rate && lr_end >= 0), "lr_end", lr_end, "give less than learning_rate, and not less than 0");
  refuse(!(power > 0 && std::isfinite(power)), "power", power, "give a positive number");
  refuse(timescale < 0, "timescale", static_cast<double>(timescale), "give a positive number, or 0 for warmup_steps");
  refuse(timescale != 0 && !among({kind::inverse_sqrt}), "timescale", static_cast<double>(timescale), "only the schedule inverse_sqrt has it");
  refuse(min_lr_ratio != 0 && !among({kind::cosine_with_min_lr, kind::warmup_stable_decay}), "min_lr_ratio", min_lr_ratio,
         "only cosine_with_min_lr and warmup_stable_decay have a floor");
  refuse(decay_steps != 0 && !among({kind::warmup_stable_decay}), "decay_steps", static_cast<double>(decay_steps), "only warmup_stable_decay has them");
}

inline optimizer_options training_options::optimizer() const {
  const training_options usual;
  const auto unused = [this](bool changed, const char* name, double value) {
    (void)this;
    detail::refuse_option(changed, name, value, "the chosen optim does not use it; leave it away");
  };
  if (optim != optimizer_kind::adamw) {
    unused(adam_beta1 != usual.adam_beta1, "adam_beta1", adam_beta1);
    unused(adam_beta2 != usual.adam_beta2, "adam_beta2", adam_beta2);
  }
  if (optim != optimizer_kind::rmsprop) unused(rmsprop_alpha != usual.rmsprop_alpha, "rmsprop_alpha", rmsprop_alpha);
  if (optim == optimizer_kind::adamw) unused(momentum != 0, "momentum", momentum);
  if (optim == optimizer_kind::sgd) unused(adam_epsilon != usual.adam_epsilon, "adam_epsilon", adam_epsilon);
  switch (optim) {
    case optimizer_kind::rmsprop: return rmsprop{rmsprop_alpha, adam_epsilon, momentum, weight_decay};
    case optimizer_kind::sgd: return sgd{momentum, 0, false, weight_decay};
    case optimizer_kind::adamw: break;
  }
  return adamw{adam_beta1, adam_beta2, adam_epsilon, weight_decay};
}

}  // namespace tilt
