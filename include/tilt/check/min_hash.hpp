// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <tilt/scalar/philox.hpp>
#include <vector>

namespace tilt {

/// MinHash (Broder 1997, "On the resemblance and containment of documents"): of a set S the smallest value of each of k hash functions.
/// For two sets the two smallest values of one function are equal with probability J = |A ∩ B| / |A ∪ B|, so the share of equal values
/// estimates J with standard deviation √(J(1−J)/k). Functions are h(x) = ⌊(a·x + b mod 2⁶⁴) / 2³²⌋ with odd a (Dietzfelbinger et al.
/// 1997) of elements that are hashes already; a and b come from the seed, so signatures are the same on every machine. O(k |S|).
class min_hash {
 public:
  explicit min_hash(std::size_t functions, std::uint64_t seed = 0) {
    const philox draws(seed);
    for (std::size_t i = 0; i < functions; ++i) {
      const philox::words w = draws(i);
      factors_.push_back((std::uint64_t{w[0]} << 32 | w[1]) | 1);
      terms_.push_back(std::uint64_t{w[2]} << 32 | w[3]);
    }
  }

  std::size_t functions() const { return factors_.size(); }

  /// Into `out`, of as many entries as there are functions. Of the empty set, all are 2³² − 1.
  void signature(std::span<const std::uint64_t> set, std::span<std::uint32_t> out) const {
    std::fill(out.begin(), out.end(), std::numeric_limits<std::uint32_t>::max());
    for (const std::uint64_t x : set)
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto h = static_cast<std::uint32_t>((factors_[i] * x + terms_[i]) >> 32);
        out[i] = h < out[i] ? h : out[i];
      }
  }

  /// The share of equal entries.
  static double estimate(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
    return a.empty() ? 1 : static_cast<double>(equal) / static_cast<double>(a.size());
  }

 private:
  std::vector<std::uint64_t> factors_, terms_;
};

/// The probability that two sets with Jaccard coefficient s share at least one of `bands` bands of `rows` values of their signatures, and
/// so are compared: 1 − (1 − sʳ)ᵇ (Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", 3.4). Its steepest rise is near (1/b)^(1/r).
inline double candidate_probability(double s, std::size_t bands, std::size_t rows) {
  return 1 - std::pow(1 - std::pow(s, static_cast<double>(rows)), static_cast<double>(bands));
}

}  // namespace tilt
