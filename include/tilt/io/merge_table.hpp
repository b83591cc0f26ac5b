// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <tilt/scalar/config.hpp>
#include <vector>

namespace tilt::detail {

/// What a pair of neighbouring tokens merges into, and how early: the lower rank goes first.
struct merge_rule {
  std::int32_t rank = -1;
  token id = -1;
};

/// Pairs of tokens → their rule, in one array with linear probing: the tokenizer's inner loop asks it about every pair of neighbours.
class merge_table {
 public:
  explicit merge_table(std::size_t pairs = 0) {
    std::size_t slots = 16;
    while (slots < 2 * pairs + 2) slots *= 2;
    slots_.resize(slots);
  }

  /// A later rule for the same pair replaces the earlier one. At most as many pairs as the constructor was told.
  void set(token left, token right, merge_rule rule) {
    slot& s = slots_[place(left, right)];
    s = {left, right, rule};
  }
  /// Null if the pair does not merge.
  const merge_rule* find(token left, token right) const {
    const slot& s = slots_[place(left, right)];
    return s.left < 0 ? nullptr : &s.rule;
  }

 private:
  struct slot {
    token left = -1, right = -1;
    merge_rule rule;
  };

  std::size_t place(token left, token right) const {
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 32) & mask;
    while (slots_[at].left >= 0 && (slots_[at].left != left || slots_[at].right != right)) at = (at + 1) & mask;
    return at;
  }

  std::vector<slot> slots_;
};

}  // namespace tilt::detail
