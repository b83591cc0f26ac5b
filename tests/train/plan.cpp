// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include <tilt/train/plan.hpp>
#include <tilt/train/reference.hpp>

using tilt::run_plan;
using tilt::training_options;

TEST_CASE("a run's steps, with a smaller last micro-batch and a shorter last step") {
  const run_plan plan({.batch_size = 4, .gradient_accumulation_steps = 2, .num_train_epochs = 2.5}, 18);
  CHECK(plan.batches_per_epoch == 5);
  CHECK(plan.steps_per_epoch == 3);
  CHECK(plan.total_steps == 8);  // ceil(7.5)
  CHECK(plan.epochs() == 3);
  const auto step = [&](tilt::index s) { return plan.batches(s); };
  CHECK((step(0).epoch == 0 && step(0).first == 0 && step(0).count == 2));
  CHECK((step(2).epoch == 0 && step(2).first == 4 && step(2).count == 1));
  CHECK((step(4).epoch == 1 && step(4).first == 2 && step(4).count == 2));
  CHECK((plan.examples_of(3).first == 12 && plan.examples_of(3).count == 4));
  CHECK((plan.examples_of(4).first == 16 && plan.examples_of(4).count == 2));
  CHECK(plan.epoch_after(0) == 0.4);
  CHECK(plan.epoch_after(2) == 1);
  CHECK(plan.epoch_after(3) == 1.4);
  CHECK(plan.epoch_after(5) == 2);
}

TEST_CASE("max_steps rules over epochs") {
  CHECK(run_plan({.batch_size = 4, .max_steps = 7, .num_train_epochs = 1}, 8).total_steps == 7);
  CHECK(run_plan({.batch_size = 4, .max_steps = 7}, 8).epochs() == 4);
  CHECK_THROWS_AS(run_plan({}, 0), tilt::input_error);
}

TEST_CASE("statistics over the step make one micro-batch of it") {
  const run_plan plan({.batch_size = 2, .gradient_accumulation_steps = 3, .num_train_epochs = 1, .statistics = tilt::statistics_scope::step}, 13);
  CHECK(plan.batch_size == 6);
  CHECK(plan.batches(0).count == 1);
  CHECK(plan.total_steps == 3);
}

TEST_CASE("options are refused by name") {
  const auto message = [](const training_options& o) -> std::string {
    try {
      o.check();
    } catch (const tilt::input_error& e) {
      return e.what();
    }
    return "accepted";
  };
  const auto begins = [&](const training_options& o, const std::string& with) {
    INFO(message(o));
    CHECK(message(o).rfind(with, 0) == 0);
  };
  CHECK(message({}) == "accepted");
  begins({.learning_rate = 0}, "learning_rate: 0 cannot be used;");
  begins({.learning_rate = std::nan("")}, "learning_rate:");
  begins({.batch_size = 0}, "batch_size:");
  begins({.gradient_accumulation_steps = -2}, "gradient_accumulation_steps: -2");
  begins({.max_steps = 0}, "max_steps:");
  begins({.num_train_epochs = 0}, "num_train_epochs:");
  begins({.warmup_steps = -1}, "warmup_steps:");
  begins({.warmup_steps = 3, .warmup_ratio = 0.1}, "warmup_ratio:");
  begins({.min_lr_ratio = 0.1}, "min_lr_ratio:");
  begins({.decay_steps = 3}, "decay_steps:");
  begins({.lr_scheduler_type = tilt::schedule_kind::constant, .warmup_steps = 3}, "warmup_steps: 3 cannot be used; the schedule constant");
  begins({.lr_scheduler_type = tilt::schedule_kind::constant, .warmup_ratio = 0.1}, "warmup_ratio:");
  begins({.warmup_steps = std::numeric_limits<double>::infinity()}, "warmup_steps:");
  begins({.num_cycles = 2}, "num_cycles: 2 cannot be used; only the cosine");
  begins({.lr_scheduler_type = tilt::schedule_kind::cosine, .num_cycles = -2}, "num_cycles:");
  begins({.lr_end = 0}, "lr_end:");
  begins({.power = 2}, "power:");
  begins({.lr_scheduler_type = tilt::schedule_kind::polynomial, .power = -1}, "power:");
  begins({.timescale = 7}, "timescale:");
  begins({.keep_best = true, .output_dir = "there"}, "keep_best: 1 cannot be used; only evaluations");
  CHECK(message({.lr_scheduler_type = tilt::schedule_kind::polynomial, .lr_end = 0, .power = 2}) == "accepted");
  CHECK(message({.lr_scheduler_type = tilt::schedule_kind::inverse_sqrt, .timescale = 7}) == "accepted");
  CHECK(message({.lr_scheduler_type = tilt::schedule_kind::cosine_with_restarts, .warmup_steps = 2, .num_cycles = 3}) == "accepted");
  begins({.weight_decay = -1}, "weight_decay:");
  begins({.adam_beta1 = 1}, "adam_beta1:");
  begins({.optim = tilt::optimizer_kind::sgd, .adam_beta1 = 0.8}, "adam_beta1:");
  begins({.optim = tilt::optimizer_kind::rmsprop, .adam_beta2 = 0.8}, "adam_beta2:");
  begins({.momentum = 0.9}, "momentum:");
  begins({.rmsprop_alpha = 0.9}, "rmsprop_alpha:");
  begins({.max_grad_norm = -1}, "max_grad_norm:");
  begins({.logging_steps = 0}, "logging_steps:");
  begins({.save_steps = 5}, "save_steps: 5 cannot be used; there is no output_dir");
  begins({.keep_best = true}, "keep_best:");
  begins({.max_tokens = 0}, "max_tokens:");
  begins({.kl_budget = -1}, "kl_budget:");
  CHECK(message({.optim = tilt::optimizer_kind::rmsprop, .momentum = 0.9, .rmsprop_alpha = 0.9}) == "accepted");
  CHECK(tilt::optimizer_from_name("adamw_torch_fused") == tilt::optimizer_kind::adamw);
  CHECK_THROWS_AS(tilt::optimizer_from_name("lion"), tilt::input_error);
}

TEST_CASE("a mismatched pair takes the response before it in its group") {
  const tilt::mismatched_pairs pairs{.count = 10, .group = 4};
  const tilt::index expected[] = {3, 0, 1, 2, 7, 4, 5, 6, 9, 8};
  for (tilt::index i = 0; i < 10; ++i) CHECK(pairs.partner(i) == expected[i]);
  CHECK(tilt::mismatched_pairs{.count = 9, .group = 4}.partner(8) == 8);  // TRL's answer to a last group of one
  const tilt::mismatched_pairs all{.count = 3, .group = 1};
  CHECK(all.partner(0) == 2);
  CHECK(all.partner(1) == 0);
  CHECK(all.partner(2) == 1);
}
