// SPDX-License-Identifier: Apache-2.0
// Philox against its authors' vectors (Random123, kat_vectors, philox4x32 10), and the distributions drawn from it.
#include <cmath>
#include <limits>
#include <set>
#include <tilt/scalar/categorical.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

#include "support/catch.hpp"

using namespace tilt;

namespace {
bool same(const philox::words& w, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return w[0] == a && w[1] == b && w[2] == c && w[3] == d;
}
}  // namespace

TEST_CASE("philox gives its published vectors") {
  CHECK(same(philox(0, 0)(0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(same(philox(ones, ones)(ones), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  // Counter words 243f6a88 85a308d3 13198a2e 03707344, key words a4093822 299f31d0, the first of each pair the low one.
  CHECK(same(philox(0x299f31d0a4093822, 0x0370734413198a2e)(0x85a308d3243f6a88), 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST_CASE("philox is a function of seed, stream and counter") {
  static_assert(philox(1, 2)(3)[0] == philox(1, 2)(3)[0]);
  std::set<std::uint32_t> seen;
  for (std::uint64_t i = 0; i < 50; ++i)
    for (const philox& draws : {philox(i, 1), philox(1000, i + 100), philox(7, 7)}) seen.insert(draws(i)[0]);
  CHECK(seen.size() == 150);
  CHECK_FALSE(philox(1, 2)(3)[0] == philox(2, 1)(3)[0]);
  CHECK_FALSE(philox(1, 2)(3)[0] == philox(1, 3)(2)[0]);
}

TEST_CASE("uniform draws fill the unit interval evenly") {
  const philox draws(42);
  const int n = 100000, cells = 50;
  std::vector<int> count(cells);
  double sum = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double u = uniform(draws, i);
    REQUIRE((u >= 0 && u < 1));
    ++count[static_cast<std::size_t>(u * cells)];
    sum += u;
  }
  double chi2 = 0;
  for (const int c : count) chi2 += std::pow(c - n / cells, 2) / (n / cells);
  CHECK(chi2 > 22);  // 49 degrees of freedom: 0.05 % and 99.95 %
  CHECK(chi2 < 90);
  CHECK(std::abs(sum / n - 0.5) < 4 * std::sqrt(1.0 / 12 / n));
}

TEST_CASE("normal draws have the moments of the normal distribution") {
  const philox draws(43, 5);
  const int n = 100000;
  double moment[5] = {};
  for (std::uint64_t i = 0; i < n; ++i) {
    const double x = normal(draws, i);
    REQUIRE(std::abs(x) < 8.6);
    for (int k = 1; k < 5; ++k) moment[k] += std::pow(x, k) / n;
  }
  const double error = 4 / std::sqrt(double(n));  // four standard deviations of each mean
  CHECK(std::abs(moment[1]) < error);
  CHECK(std::abs(moment[2] - 1) < error * std::sqrt(2));
  CHECK(std::abs(moment[3]) < error * std::sqrt(15));
  CHECK(std::abs(moment[4] - 3) < error * std::sqrt(96));
}

TEST_CASE("categorical draws by inversion") {
  const float weights[] = {0, 2, 0, 1, 5, 0};
  CHECK(categorical(weights, 6, 0) == 1);  // never one of weight 0, not even at u = 0
  CHECK(categorical(weights, 6, 0.2499) == 1);
  CHECK(categorical(weights, 6, 0.25) == 3);
  CHECK(categorical(weights, 6, 0.3749) == 3);
  CHECK(categorical(weights, 6, 0.375) == 4);
  CHECK(categorical(weights, 6, std::nextafter(1.0, 0.0)) == 4);
  CHECK(categorical(std::vector<double>(30, 1.0 / 3).data(), 30, std::nextafter(1.0, 0.0)) == 29);
  // Where rounding makes the goal the total itself (of subnormal weights it does), the last that can be drawn is.
  const double tiny[] = {std::numeric_limits<double>::denorm_min(), 0};
  CHECK(categorical(tiny, 2, 0.9) == 0);

  const philox draws(44);
  const int n = 40000;
  int count[6] = {};
  for (std::uint64_t i = 0; i < n; ++i) ++count[categorical(weights, 6, uniform(draws, i))];
  for (int i = 0; i < 6; ++i) {
    const double p = static_cast<double>(weights[i]) / 8;
    CHECK(std::abs(count[i] - n * p) <= 4 * std::sqrt(n * p * (1 - p)));
  }
}
