// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "run_settings.hpp"
#include "session.hpp"
#include "settings.hpp"

namespace tilt::program {

/// What the subcommands that train do: settles the options (`choose` then puts what they come to into the job), reads everything, trains, logs,
/// saves. Returns the exit status.
int run_training(settings& s, run_choice& choice, const std::function<void(training_job&)>& choose);

}  // namespace tilt::program
