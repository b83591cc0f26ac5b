// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "run_settings.hpp"
#include "session.hpp"
#include "settings.hpp"

namespace tilt::program {

/// What the subcommands that train do: settles the options (`choose` then puts what they come to into the job), reads everything, trains, logs,
/// saves. Returns the exit status.
int run_training(settings& s, run_choice& choice, const std::function<void(training_job&)>& choose);

/// The same with options that are settled: reads everything, goes on from what `checkpoint` names (asked once all was read; empty: from the
/// beginning), trains, logs and keeps checkpoints in the choice's output, and saves the model there, or as a folder of its own, whole or not at
/// all, in `place`. Throws input_error.
int train_model(settings& s, const run_choice& choice, training_job job, const std::function<std::string()>& checkpoint,
                const std::string& place = {});

}  // namespace tilt::program
