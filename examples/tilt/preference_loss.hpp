// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "session.hpp"
#include "settings.hpp"

namespace tilt::program {

/// The losses of pairs and of rankings as options, with what goes with them: --loss-type of one or several, their weights, divergences.
class preference_loss {
 public:
  /// The settings must outlive it.
  explicit preference_loss(settings& options);
  ~preference_loss();
  void add();
  /// After the options were applied: puts what is to be minimised, and the shape of its data, into the job. Throws input_error.
  void choose(training_job& job);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace tilt::program
