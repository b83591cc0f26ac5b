// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <conformance/support.hpp>

namespace tilt::test {

// What crosses into a backend is a named functor: a device cannot take a generic lambda.
template <class T> struct line_body {  ///< y_i = 2·x_i + i
  const T* x;
  T* y;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(y, i, multiply_add(constant<typename Lane::number>(2), lane.load(x, i), lane.position(i)));
  }
};
template <class T> struct exp_body {
  const T* x;
  T* y;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using std::exp;
    lane.store(y, i, exp(lane.load(x, i)));
  }
};

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "map visits each element once and nothing else") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  std::mt19937_64 random(1);
  std::vector<index> sizes = lengths;
  sizes.insert(sizes.end(), {16384, 16385, 50001});
  for_each_setting<tested_backend>([&](tested_backend& backend) {
    for (index n : sizes) {
      const std::vector<T> x = random_vector<T>(n + 64, random);
      auto own_x = own(backend, x), own_y = own(backend, x);
      backend.map(n, line_body<T>{own_x.data(), own_y.data()});
      std::vector<T> expected = x;
      for (index i = 0; i < n; ++i) expected[static_cast<std::size_t>(i)] = T(2) * x[static_cast<std::size_t>(i)] + static_cast<T>(i);
      INFO("n = " << n);
      CHECK(all_close(own_y.host(), expected, tolerance<T>::value));
    }
  });
}

TEST_CASE(TILT_TESTED_AS "map's result for an element depends on the element alone") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  for_each_setting<tested_backend>([&](tested_backend& backend) {
    for (T x : {T(-87.25), T(-0.7), T(0.3), T(11.1)})
      for (index n : {index{1}, index{5}, index{37}, index{40003}}) {
        auto own_x = own(backend, std::vector<T>(static_cast<std::size_t>(n), x)),
             own_y = own(backend, std::vector<T>(static_cast<std::size_t>(n)));
        backend.map(n, exp_body<T>{own_x.data(), own_y.data()});
        const std::vector<T> y = own_y.host();
        CHECK(close(y[0], std::exp(x), tolerance<T>::value));
        CHECK(y == std::vector<T>(y.size(), y[0]));
      }
  });
}
