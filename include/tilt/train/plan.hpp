// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <tilt/train/options.hpp>

namespace tilt {

/// A run's arithmetic: how examples become micro-batches, these become steps, and steps become epochs. transformers' rules: the last
/// micro-batch of an epoch may be smaller, the last step of an epoch may have fewer micro-batches, and no step spans two epochs.
struct run_plan {
  index examples = 0;
  index batch_size = 1;
  index accumulation = 1;
  index batches_per_epoch = 0;
  index steps_per_epoch = 0;
  index total_steps = 0;

  /// The micro-batches of one step.
  struct step_batches {
    index epoch = 0;
    index first = 0, count = 0;
  };
  /// One micro-batch, as a range of the epoch's order.
  struct range {
    index first = 0, count = 0;
  };

  run_plan(const training_options& options, index example_count) : examples(example_count), batch_size(options.batch_size), accumulation(options.gradient_accumulation_steps) {
    if (examples <= 0) throw input_error("the training data has no examples; give at least one");
    if (options.statistics == statistics_scope::step) {  // one large micro-batch: the statistic is the whole step's
      batch_size *= accumulation;
      accumulation = 1;
    }
    batches_per_epoch = (examples + batch_size - 1) / batch_size;
    steps_per_epoch = (batches_per_epoch + accumulation - 1) / accumulation;
    total_steps = options.max_steps > 0 ? options.max_steps
                                        : static_cast<index>(std::ceil(options.num_train_epochs * static_cast<double>(steps_per_epoch)));
  }

  index epochs() const { return (total_steps + steps_per_epoch - 1) / steps_per_epoch; }

  /// Step s, from 0.
  step_batches batches(index step) const {
    const index first = step % steps_per_epoch * accumulation;
    return {step / steps_per_epoch, first, std::min(accumulation, batches_per_epoch - first)};
  }
  range examples_of(index batch) const {
    const index first = batch * batch_size;
    return {first, std::min(batch_size, examples - first)};
  }
  /// The logged `epoch` after step s, from 0: the share of the epoch's micro-batches that are done.
  double epoch_after(index step) const {
    const step_batches b = batches(step);
    return static_cast<double>(b.epoch) + static_cast<double>(b.first + b.count) / static_cast<double>(batches_per_epoch);
  }
};

inline schedule schedule_of(const training_options& options, index total_steps) {
  const double warmup = options.warmup_steps > 0 ? options.warmup_steps : options.warmup_ratio < 1 ? options.warmup_ratio : static_cast<double>(total_steps);
  return {.kind = options.lr_scheduler_type,
          .warmup_steps = warmup_step_count(warmup, total_steps),
          .total_steps = total_steps,
          .cycles = options.num_cycles,
          .min_lr_ratio = options.min_lr_ratio,
          .power = options.power,
          .end_ratio = options.lr_end / options.learning_rate,
          .timescale = options.timescale,
          .decay_steps = options.decay_steps};
}

}  // namespace tilt
