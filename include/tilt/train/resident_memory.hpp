// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <initializer_list>
#include <tilt/optim/optimizer.hpp>
#include <variant>

namespace tilt {

/// A network of a run as it lies in memory between steps.
struct resident_network {
  double parameters = 0;
  bool trained = false;     ///< has a gradient and the optimiser's moments beside its weights
  double weight_bytes = 4;  ///< of one weight, gradient and moment: the backend's scalar
};

/// Bytes that a run's networks hold between steps, activations apart: of a trained parameter its weight, its gradient and the optimiser's
/// moments (AdamW in float32: 4 + 4 + 8 = 16), of a frozen one its weight. O(networks).
inline double resident_bytes(std::initializer_list<resident_network> networks, const optimizer_options& optimizer = adamw{}) {
  const double moments = static_cast<double>(std::visit([](const auto& chosen) { return chosen.slots(); }, optimizer));
  double bytes = 0;
  for (const resident_network& n : networks) bytes += n.parameters * n.weight_bytes * (n.trained ? 2 + moments : 1);
  return bytes;
}

}  // namespace tilt
