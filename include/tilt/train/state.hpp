// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <tilt/train/plan.hpp>
#include <vector>

namespace tilt {

/// What must be the same for a run to go on as if it had not been interrupted.
struct run_identity {
  std::string loss;                ///< the objective's name
  std::string dtype;
  std::string optim;
  std::uint64_t data = 0;          ///< hash of the training examples
  std::uint64_t reference = 0;     ///< hash of the reference's weights, 0 where the loss has none
  index batch_size = 0;
  index gradient_accumulation_steps = 0;
  std::uint64_t seed = 0;
  bool shuffle = false;

  /// Throws input_error naming what differs.
  void require(const run_identity& now) const {
    const auto refuse = [](bool differs, const char* what) {
      if (differs) throw input_error(std::string("checkpoint: it comes from a run with another ") + what + "; resume with the same one");
    };
    refuse(loss != now.loss, "loss");
    refuse(dtype != now.dtype, "dtype");
    refuse(optim != now.optim, "optim");
    refuse(data != now.data, "training data");
    refuse(reference != now.reference, "reference model, which is the model that training began with");
    refuse(batch_size != now.batch_size, "batch_size");
    refuse(gradient_accumulation_steps != now.gradient_accumulation_steps, "gradient_accumulation_steps");
    refuse(seed != now.seed, "seed");
    refuse(shuffle != now.shuffle, "order of examples (shuffle)");
  }
};

/// All that a run knows after a step. The place in the schedule, in the epoch and in the shuffled order follow from `step` and the
/// identity, since every random number is a function of seed and position.
template <class T> struct training_state {
  run_identity identity;
  index step = 0;
  index tokens = 0;                 ///< `num_tokens` so far
  index optimizer_count = 0;        ///< updates done
  double best_loss = std::numeric_limits<double>::infinity();
  double kl_spent = 0;              ///< the logged `kl/k2` that exceeded kl_budget and ended the run; 0: none has
  std::vector<T> weights, moments;  ///< flat, in the order of the model's parameters
  std::vector<double> window;       ///< metrics since the last line of the log
  std::vector<double> objective;    ///< what the objective carries from step to step
  std::vector<T> reference_weights;  ///< where the reference follows the policy (sync_ref_model); else empty
};

}  // namespace tilt
