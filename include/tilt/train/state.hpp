// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <tilt/train/plan.hpp>
#include <tilt/train/run_settings.hpp>
#include <vector>

namespace tilt {

/// What must be the same for a run to go on as if it had not been interrupted.
struct run_identity {
  std::string dtype;
  std::uint64_t data = 0;       ///< hash of the training examples
  std::uint64_t reference = 0;  ///< hash of the reference's weights, 0 where the loss has none
  index total_steps = 0;        ///< may differ: then the schedule is that of the later run
  std::vector<named_value> settings;  ///< options and hyper-parameters that the weights depend on

  /// `origin`: what the identity is of, "checkpoint-20" for one. Throws input_error naming the option that differs, with both values.
  void require(const run_identity& now, const std::string& origin) const {
    const auto refuse = [&origin](const std::string& option, const std::string& then, const std::string& remedy) {
      throw input_error(option + ": " + origin + " was written by a run " + then + "; " + remedy + ", or begin another run");
    };
    if (dtype != now.dtype) refuse("dtype", "in " + dtype, "resume with it");
    if (data != now.data) refuse("train", "on other examples", "resume with the same file, cut in the same way");
    if (reference != now.reference) refuse("reference_model", "with another reference (the model that training began with, if none was named)", "resume with the same one");
    for (const named_value& s : settings) {
      const auto same = std::find_if(now.settings.begin(), now.settings.end(), [&s](const named_value& n) { return n.name == s.name; });
      if (same == now.settings.end()) refuse(s.name, "that had it at " + s.value + ", where this one has none", "resume with it");
      if (same->value != s.value) refuse(s.name, "with " + s.value + ", and this one has " + same->value, "resume with " + s.value);
    }
    for (const named_value& n : now.settings)
      if (std::none_of(settings.begin(), settings.end(), [&n](const named_value& s) { return n.name == s.name; }))
        refuse(n.name, "that had none, where this one has " + n.value, "resume without it");
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
  std::string origin = "the checkpoint";  ///< where it was read from
};

}  // namespace tilt
