// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <tilt/scalar/config.hpp>

namespace tilt {

/// The counter-based random number generator Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a
/// function from seed, stream and counter to 128 random bits, without state. So any thread, or a resumed run, can ask for the n-th
/// draw and gets the same bits on every machine. The seed is the key, the counter words are {counter, stream}, low words first.
class philox {
 public:
  struct words {
    std::uint32_t word[4];
    TILT_HD constexpr std::uint32_t operator[](int i) const { return word[i]; }
  };

  TILT_HD constexpr explicit philox(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  TILT_HD constexpr words operator()(std::uint64_t counter) const {
    words c{{low(counter), high(counter), low(stream_), high(stream_)}};
    std::uint32_t key0 = low(seed_), key1 = high(seed_);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c.word[0], p1 = std::uint64_t{0xCD9E8D57} * c.word[2];
      c = {{high(p1) ^ c.word[1] ^ key0, low(p1), high(p0) ^ c.word[3] ^ key1, low(p0)}};
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    return c;
  }

 private:
  TILT_HD static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  TILT_HD static constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
  std::uint64_t seed_, stream_;
};

namespace detail {
/// The upper 53 bits as a multiple of 2⁻⁵³ in [0, 1).
TILT_HD constexpr double unit_interval(std::uint32_t high, std::uint32_t low) {
  return static_cast<double>((std::uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
}
}  // namespace detail

/// The counter-th draw, uniform in [0, 1), in steps of 2⁻⁵³.
TILT_HD constexpr double uniform(const philox& draws, std::uint64_t counter) {
  const philox::words w = draws(counter);
  return detail::unit_interval(w[0], w[1]);
}

/// The counter-th draw from the normal distribution with mean 0 and variance 1 (Box & Muller 1958), |x| < 8.6. Not independent of
/// uniform() at the same counter.
TILT_HD inline double normal(const philox& draws, std::uint64_t counter) {
  const philox::words w = draws(counter);
  const double radius = std::sqrt(-2 * std::log(1 - detail::unit_interval(w[0], w[1])));
  return radius * std::cos(6.283185307179586 * detail::unit_interval(w[2], w[3]));
}

}  // namespace tilt
