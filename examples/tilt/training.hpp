// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "run_settings.hpp"
#include "session.hpp"
#include "settings.hpp"

namespace tilt::program {

/// What dpo, kto and sft do: settles the options (`loss` then says what they come to), reads everything, trains, logs, saves. Returns the
/// exit status.
int run_training(settings& s, run_choice& choice, const std::function<loss_choice()>& loss);

}  // namespace tilt::program
