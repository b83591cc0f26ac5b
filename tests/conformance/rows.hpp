// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <conformance/support.hpp>
#include <limits>

namespace tilt::test {

template <class T> struct load_body {
  const T* x;
  template <class Lane> TILT_HD typename Lane::number operator()(const Lane& lane, index i) const { return lane.load(x, i); }
};

template <class T> struct store_once {
  T* to;
  T value;
  bool add;
  TILT_HD void operator()() const { *to = add ? *to + value : value; }
};

/// The sum and the largest element of x[row·step, row·step + n) for each row, added to what is there, to see that it happens once.
template <class T> struct sum_and_max_program {
  const T* x;
  index n, step;
  T *sums, *maxima;
  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    const load_body<T> body{x + row * step};
    team.once(store_once<T>{sums + row, team.sum(n, body), true});
    team.once(store_once<T>{maxima + row, team.max(n, body), false});
  }
};

template <class T> struct shifted_exp_body {  ///< y_i = exp(x_i − largest), which it returns as well
  const T* x;
  T* y;
  T largest;
  template <class Lane> TILT_HD typename Lane::number operator()(const Lane& lane, index i) const {
    using std::exp;
    using N = typename Lane::number;
    const N e = exp(lane.load(x, i) - N(largest));
    lane.store(y, i, e);
    return e;
  }
};
template <class T> struct scale_body {
  const T* x;
  T* y;
  T factor;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(y, i, lane.load(x, i) * typename Lane::number(factor));
  }
};
/// Softmax of each row through the team's scratch: passes that read what the one before wrote.
template <class T> struct softmax_program {
  const T* x;
  T* y;
  index n;
  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    T* const kept = team.scratch();
    const T largest = team.max(n, load_body<T>{x + row * n});
    const T total = team.sum(n, shifted_exp_body<T>{x + row * n, kept, largest});
    team.each(n, scale_body<T>{kept, y + row * n, T(1) / total});
  }
};

/// One product for each row of the call: c_r = a_r · b_r, or += .
template <class T> struct product_program {
  matrix_view<const T> a, b;
  matrix_view<T> c;
  index a_step, b_step, c_step;
  bool accumulate;
  template <class Team> TILT_HD void operator()(const Team& team, index r) const {
    matrix_view<const T> left = a, right = b;
    matrix_view<T> result = c;
    left.data += r * a_step, right.data += r * b_step, result.data += r * c_step;
    team.gemm(left, right, result, accumulate);
  }
};

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "rows: sums and maxima of every length") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  const T lowest = -std::numeric_limits<T>::infinity();
  std::mt19937_64 random(2);
  for_each_setting<tested_backend>([&](tested_backend& backend) {
    for (index n : lengths)
      for (index count : {index{0}, index{1}, index{5}, index{100}}) {
        const std::vector<T> x = random_vector<T>(count * n + n, random);
        auto own_x = own(backend, x), sums = own(backend, std::vector<T>(static_cast<std::size_t>(count + 1)));
        auto maxima = own(backend, std::vector<T>(static_cast<std::size_t>(count + 1)));
        backend.rows(count, sum_and_max_program<T>{own_x.data(), n, n, sums.data(), maxima.data()});
        std::vector<T> total(static_cast<std::size_t>(count + 1)), largest(total.size());
        T scale = 0;
        for (index row = 0; row < count; ++row) {
          double s = 0, magnitude = 0;
          T& top = largest[static_cast<std::size_t>(row)] = lowest;
          for (index i = 0; i < n; ++i) {
            const T value = x[static_cast<std::size_t>(row * n + i)];
            s += static_cast<double>(value), magnitude += std::abs(static_cast<double>(value));
            top = std::max(top, value);
          }
          total[static_cast<std::size_t>(row)] = static_cast<T>(s);
          scale = std::max(scale, static_cast<T>(magnitude));
        }
        INFO(count << " rows of " << n);
        CHECK(all_close(sums.host(), total, tolerance<T>::sum(static_cast<std::size_t>(n)), scale));
        CHECK(maxima.host() == largest);
      }
  });
}

TEST_CASE(TILT_TESTED_AS "rows: max skips NaN and finds infinities") {
  using namespace tilt::test;
  using T = typename tested_backend::scalar;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  tested_backend backend;
  std::vector<T> x(21, -inf);
  x[3] = nan, x[20] = nan, x[17] = T(-5);
  auto own_x = own(backend, x), sums = own(backend, std::vector<T>(1)), maxima = own(backend, std::vector<T>(1));
  backend.rows(1, sum_and_max_program<T>{own_x.data(), 21, 21, sums.data(), maxima.data()});
  CHECK(maxima.host()[0] == T(-5));
  CHECK(std::isnan(sums.host()[0]));
}

TEST_CASE(TILT_TESTED_AS "rows: a sum depends on the values alone, not on address, row or threads") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  std::mt19937_64 random(3);
  for (index n : lengths) {
    const std::vector<T> x = random_vector<T>(n, random);
    std::vector<T> seen;
    for_each_setting<tested_backend>([&](tested_backend& backend) {
      for (index shift = 0; shift < 9; ++shift) {
        constexpr index count = 7;
        std::vector<T> copies(static_cast<std::size_t>(shift + count * n + 1), T(99));
        for (index row = 0; row < count; ++row) std::copy(x.begin(), x.end(), copies.begin() + shift + row * n);
        auto own_x = own(backend, copies), sums = own(backend, std::vector<T>(count)), maxima = own(backend, std::vector<T>(count));
        backend.rows(count, sum_and_max_program<T>{own_x.data() + shift, n, n, sums.data(), maxima.data()});
        const std::vector<T> result = sums.host();
        seen.insert(seen.end(), result.begin(), result.end());
      }
    });
    INFO("n = " << n);
    CHECK(seen == std::vector<T>(seen.size(), seen[0]));
  }
}

TEST_CASE(TILT_TESTED_AS "rows: a softmax through the teams' scratch") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  std::mt19937_64 random(4);
  for_each_setting<tested_backend>([&](tested_backend& backend) {
    REQUIRE(backend.teams() >= 1);
    for (index n : {index{1}, index{2}, index{17}, index{130}, index{1000}}) {
      constexpr index count = 50;
      const std::vector<T> x = random_vector<T>(count * n, random, -30, 30);
      auto own_x = own(backend, x), own_y = own(backend, x);
      auto kept = own(backend, std::vector<T>(static_cast<std::size_t>(backend.teams() * n)));
      backend.rows(count, softmax_program<T>{own_x.data(), own_y.data(), n}, tilt::team_scratch<T>{kept.data(), n});
      std::vector<T> expected(x.size());
      for (index row = 0; row < count; ++row) {
        double largest = -1e30, total = 0;
        for (index i = 0; i < n; ++i) largest = std::max(largest, static_cast<double>(x[static_cast<std::size_t>(row * n + i)]));
        for (index i = 0; i < n; ++i) total += std::exp(static_cast<double>(x[static_cast<std::size_t>(row * n + i)]) - largest);
        for (index i = 0; i < n; ++i)
          expected[static_cast<std::size_t>(row * n + i)] =
              static_cast<T>(std::exp(static_cast<double>(x[static_cast<std::size_t>(row * n + i)]) - largest) / total);
      }
      INFO("rows of " << n);
      // exp(x − max) multiplies the error of the difference, at most 60 units, by itself
      CHECK(all_close(own_y.host(), expected, 4 * tolerance<T>::value));
    }
  });
}

TEST_CASE(TILT_TESTED_AS "rows: each team multiplies its own matrices") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  std::mt19937_64 random(5);
  for_each_setting<tested_backend>([&](tested_backend& backend) {
    for (bool accumulate : {false, true}) {
      constexpr index count = 11, m = 9, n = 37, k = 21;
      const std::vector<T> a = random_vector<T>(count * m * k, random), b = random_vector<T>(count * n * k, random),
                           c = random_vector<T>(count * m * n, random);
      std::vector<T> expected = c;
      product_program<T> program{tilt::matrix_of(a.data(), m, k),
                                 tilt::transposed(tilt::matrix_of(b.data(), n, k)),
                                 tilt::matrix_of(expected.data(), m, n),
                                 m * k,
                                 n * k,
                                 m * n,
                                 accumulate};
      tilt::reference_backend<T>{}.rows(count, program);
      auto own_a = own(backend, a), own_b = own(backend, b), own_c = own(backend, c);
      program.a.data = own_a.data(), program.b.data = own_b.data(), program.c.data = own_c.data();
      backend.rows(count, program);
      CHECK(all_close(own_c.host(), expected, tolerance<T>::sum(k), k));
      if constexpr (tested_backend::row_exact) CHECK(own_c.host() == expected);
    }
  });
}
