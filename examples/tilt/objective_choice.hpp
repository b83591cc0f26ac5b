// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <functional>
#include <tilt/train/any_objective.hpp>

#include "data.hpp"

namespace tilt::program {

/// What a run minimises: made where the loss is known, used where the backend and its number type are, and neither is compiled with the
/// other.
struct objective_choice {
  data_shape shape = data_shape::pairs;
  std::function<any_objective<float>()> in_float;
  std::function<any_objective<double>()> in_double;

  template <class T> any_objective<T> make() const {
    if constexpr (std::same_as<T, double>)
      return in_double();
    else
      return in_float();
  }
};

template <class Objective> objective_choice choice_of(data_shape shape, const Objective& objective) {
  return {shape, [objective] { return objective; }, [objective] { return objective; }};
}

}  // namespace tilt::program
