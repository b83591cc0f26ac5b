// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include <algorithm>
#include <tilt/data/order.hpp>

using tilt::index;

namespace {

std::vector<index> epoch(tilt::example_order& order, index number) {
  const auto view = order.epoch(number);
  return {view.begin(), view.end()};
}

}  // namespace

TEST_CASE("without shuffling the order is the file's, in every epoch") {
  tilt::example_order order(4, false, 3);
  CHECK(epoch(order, 0) == std::vector<index>{0, 1, 2, 3});
  CHECK(epoch(order, 5) == std::vector<index>{0, 1, 2, 3});
}

TEST_CASE("shuffled orders are permutations that depend on seed and epoch alone") {
  tilt::example_order order(100, true, 3), again(100, true, 3), other(100, true, 4);
  const auto first = epoch(order, 0), second = epoch(order, 1);
  CHECK(first != second);
  CHECK(epoch(other, 0) != first);
  CHECK(epoch(again, 1) == second);  // without having gone through epoch 0
  CHECK(epoch(order, 0) == first);   // and back
  for (auto permutation : {first, second}) {
    std::sort(permutation.begin(), permutation.end());
    CHECK(permutation == epoch(*std::make_unique<tilt::example_order>(100, false, 0), 0));
  }
}

TEST_CASE("every example is about as likely in every place") {
  constexpr index size = 5, epochs = 20000;
  tilt::example_order order(size, true, 11);
  std::vector<int> count(size * size, 0);
  for (index e = 0; e < epochs; ++e) {
    const auto view = order.epoch(e);
    for (index place = 0; place < size; ++place) ++count[static_cast<std::size_t>(place * size + view[static_cast<std::size_t>(place)])];
  }
  const double mean = static_cast<double>(epochs) / size, sigma = std::sqrt(mean * (1 - 1.0 / size));
  for (const int c : count) CHECK(std::abs(c - mean) < 4.5 * sigma);
}
