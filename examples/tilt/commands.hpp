// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <CLI/App.hpp>
#include <functional>

namespace tilt::program {

/// What the chosen subcommand does, once all options are read; returns the exit status.
using action = std::function<int()>;

// Each adds its subcommand to the program: the options, and what to do. In the callback of its subcommand it sets `chosen`.
void add_demo(CLI::App& program, action& chosen);

}  // namespace tilt::program
