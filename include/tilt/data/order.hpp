// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <numeric>
#include <span>
#include <tilt/scalar/config.hpp>
#include <tilt/scalar/philox.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// The order in which a run meets its examples: that of the file, or in each epoch another permutation. A permutation is a function of
/// seed and epoch alone, so a place in the run is told by two numbers, and a resumed run goes on where it stopped.
class example_order {
 public:
  example_order(index size, bool shuffle, std::uint64_t seed) : shuffle_(shuffle), seed_(seed), order_(static_cast<std::size_t>(size)) {}

  index size() const { return static_cast<index>(order_.size()); }
  /// Orders so many from now on. Allocates where there were never as many.
  void resize(index size) {
    if (size != this->size()) epoch_ = -1;
    order_.resize(static_cast<std::size_t>(size));
  }

  /// The examples of an epoch (from 0), in order; valid until the next call. Allocates nothing. O(size) at a new epoch.
  std::span<const index> epoch(index number) {
    if (number != epoch_) {
      std::iota(order_.begin(), order_.end(), index{0});
      if (shuffle_) mix(number);
      epoch_ = number;
    }
    return order_;
  }

 private:
  /// Fisher and Yates: place i takes one of the i + 1 that are left.
  void mix(index number) {
    const philox draw(seed_, static_cast<std::uint64_t>(number));
    for (std::size_t i = order_.size(); i-- > 1;) {
      const auto words = draw(static_cast<std::uint64_t>(i));
      const std::uint64_t value = static_cast<std::uint64_t>(words[0]) << 32 | words[1];
      std::swap(order_[i], order_[static_cast<std::size_t>(value % (i + 1))]);
    }
  }

  bool shuffle_;
  std::uint64_t seed_;
  std::vector<index> order_;
  index epoch_ = -1;
};

}  // namespace tilt
