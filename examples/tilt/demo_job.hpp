// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <tilt/train/any_objective.hpp>
#include <vector>

namespace tilt::program {

/// How large the experiment of `tilt demo` is.
struct demo_sizes {
  index language = 30;     ///< trees of eight sentences for each beginning, from which the language is learnt
  index comparisons = 32;  ///< how often each beginning is a prompt whose four samples are compared
  index samples = 64;      ///< fresh samples for each held-out prompt, in an estimate
};

/// What a loss of the demo comes to with endless data and training, where that has a closed form.
enum class demo_aim { none, reward, win_rate };

/// A loss that the demo knows, and the strengths that it runs it at.
struct demo_method {
  std::string name;  ///< TRL's loss_type
  std::vector<double> betas;
  bool labelled = false;  ///< whether it learns from single judged samples instead of pairs
  demo_aim aim = demo_aim::none;
  any_objective<float> (*objective)(double beta) = nullptr;
};
const std::vector<demo_method>& demo_methods();

struct demo_job {
  demo_sizes sizes;
  std::uint64_t seed = 42;
  index threads = 0;
  std::vector<demo_method> methods = demo_methods();
};

struct demo_result {
  std::string text, numbers, picture;
};

}  // namespace tilt::program
