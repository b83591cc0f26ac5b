// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <conformance/support.hpp>
#include <sstream>

namespace tilt::test {

struct extents {
  index m, n, k;
};

/// Extents that are zero, one, odd, around the sizes of tiles and blocks, and random.
inline std::vector<extents> product_extents(std::mt19937_64& random) {
  std::vector<extents> all = {{0, 5, 3},     {5, 0, 3},      {5, 3, 0},       {0, 0, 0},      {1, 1, 1},      {1, 1, 300},    {1, 129, 70},
                              {2, 65, 33},   {129, 1, 70},   {3, 257, 1},     {14, 32, 256},  {15, 33, 257},  {6, 16, 255},   {7, 17, 513},
                              {300, 40, 20}, {40, 1100, 20}, {100, 100, 600}, {230, 130, 64}, {250, 1100, 9}, {600, 600, 440}};
  const extents as_in_attention[] = {{42, 8, 300}, {300, 8, 42}, {100, 64, 45}, {45, 16, 512}};
  all.insert(all.end(), std::begin(as_in_attention), std::end(as_in_attention));
  for (int i = 0; i < 60; ++i)
    all.push_back(
        {static_cast<index>(random() % 80), static_cast<index>(random() % 140), static_cast<index>(random() % (i % 4 ? 40 : 400))});
  for (int i = 0; i < 40; ++i)  // few rows, as in decoding
    all.push_back({static_cast<index>(random() % 15 + 1), static_cast<index>(random() % 300), static_cast<index>(random() % 300)});
  return all;
}

/// The worst element of a product against the same in double, in units of what n roundings may do to it.
template <class T> struct product_error {
  double worst = 0;
  index row = 0, column = 0;
  friend std::ostream& operator<<(std::ostream& out, const product_error& e) {
    return out << "worst element (" << e.row << ", " << e.column << "): " << e.worst << " of the tolerance";
  }
};
template <class T>
product_error<T> compare_product(const random_matrix<T>& a, const random_matrix<T>& b, const random_matrix<T>& before,
                                 const std::vector<T>& after, bool accumulate) {
  product_error<T> error;
  const index k = a.extent[1];
  for (index i = 0; i < before.extent[0]; ++i)
    for (index j = 0; j < before.extent[1]; ++j) {
      double exact = accumulate ? static_cast<double>(before.view()(i, j)) : 0, scale = std::abs(exact);
      for (index l = 0; l < k; ++l) {
        const double term = static_cast<double>(a.view()(i, l)) * static_cast<double>(b.view()(l, j));
        exact += term, scale += std::abs(term);
      }
      const double got = static_cast<double>(after[static_cast<std::size_t>(before.at(i, j))]);
      const double allowed = scale * static_cast<double>(tolerance<T>::sum(static_cast<std::size_t>(k)));
      const double relative = got == exact ? 0 : std::abs(got - exact) / allowed;
      if (!(relative <= error.worst)) error = {relative, i, j};
    }
  return error;
}

/// c after c = a·b or c += a·b on a backend.
template <class B, class T = typename B::scalar>
std::vector<T> product_on(B& backend, const random_matrix<T>& a, const random_matrix<T>& b, const random_matrix<T>& c, bool accumulate) {
  auto own_a = own(backend, a.memory), own_b = own(backend, b.memory), own_c = own(backend, c.memory);
  backend.gemm(a.template in<const T>(own_a.data()), b.template in<const T>(own_b.data()), c.template in<T>(own_c.data()), accumulate);
  return own_c.host();
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "gemm over every shape and layout, and nothing but c is written") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  double worst = 0;
  for_each_setting<tested_backend>([&](tested_backend& backend) {
    std::mt19937_64 random(6);
    for (const extents& e : product_extents(random)) {
      const layout in_a = layouts[random() % 5], in_b = layouts[random() % 5], in_c = layouts[random() % 5];
      const bool accumulate = random() % 2;
      const random_matrix<T> a(e.m, e.k, in_a, random), b(e.k, e.n, in_b, random), c(e.m, e.n, in_c, random);
      const std::vector<T> after = product_on(backend, a, b, c, accumulate);
      INFO(e.m << " x " << e.n << " x " << e.k << (accumulate ? ", accumulating" : "") << ", layouts " << static_cast<int>(in_a) << ' '
               << static_cast<int>(in_b) << ' ' << static_cast<int>(in_c));
      const product_error<T> error = compare_product(a, b, c, after, accumulate);
      INFO(error);
      CHECK(error.worst <= 1);
      worst = std::max(worst, error.worst);

      std::vector<bool> inside(c.memory.size());
      for (index i = 0; i < e.m; ++i)
        for (index j = 0; j < e.n; ++j) inside[static_cast<std::size_t>(c.at(i, j))] = true;
      bool untouched = true;
      for (std::size_t i = 0; i < inside.size(); ++i) untouched = untouched && (inside[i] || after[i] == c.memory[i]);
      CHECK(untouched);
    }
  });
  WARN("worst element of any product: " << worst << " of the tolerance");
}

TEST_CASE(TILT_TESTED_AS "gemm overwrites what is not finite unless it accumulates") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  tested_backend backend;
  std::mt19937_64 random(7);
  for (const extents& e : {extents{5, 40, 3}, extents{20, 40, 0}}) {
    const random_matrix<T> a(e.m, e.k, layout::rows, random), b(e.k, e.n, layout::rows, random);
    random_matrix<T> c(e.m, e.n, layout::rows, random);
    for (T& x : c.memory) x = std::numeric_limits<T>::quiet_NaN();
    const std::vector<T> fresh = product_on(backend, a, b, c, false), added = product_on(backend, a, b, c, true);
    for (index i = 0; i < e.m; ++i)
      for (index j = 0; j < e.n; ++j) {
        CHECK(std::isfinite(fresh[static_cast<std::size_t>(c.at(i, j))]));
        CHECK(std::isnan(added[static_cast<std::size_t>(c.at(i, j))]));
      }
  }
}

TEST_CASE(TILT_TESTED_AS "gemm: a row_exact backend gives the chain's bits, whatever the threads") {
  using namespace tilt::test;
  using T = typename tested_backend::scalar;
  if constexpr (tested_backend::row_exact) {
    for_each_setting<tested_backend>([&](tested_backend& backend) {
      std::mt19937_64 random(8);
      tilt::reference_backend<T> specification;
      for (const extents& e : product_extents(random)) {
        const random_matrix<T> a(e.m, e.k, layouts[random() % 5], random), b(e.k, e.n, layouts[random() % 5], random),
            c(e.m, e.n, layouts[random() % 5], random);
        const bool accumulate = random() % 2;
        INFO(e.m << " x " << e.n << " x " << e.k);
        const bool same = product_on(backend, a, b, c, accumulate) == product_on(specification, a, b, c, accumulate);
        CHECK(same);  // not the vectors themselves, which a failure would print for minutes
      }
    });
  } else {
    SUCCEED("it does not claim to be");
  }
}

TEST_CASE(TILT_TESTED_AS "gemm: in a row_exact backend a row alone has the bits that it has among others") {
  using namespace tilt::test;
  using tilt::index;
  using T = typename tested_backend::scalar;
  if constexpr (tested_backend::row_exact) {
    for_each_setting<tested_backend>([&](tested_backend& backend) {
      std::mt19937_64 random(9);
      for (layout in_b : layouts) {
        constexpr index m = 61, n = 83, k = 310;
        const random_matrix<T> a(m, k, layout::rows, random), b(k, n, in_b, random), c(m, n, layout::rows, random);
        auto own_a = own(backend, a.memory), own_b = own(backend, b.memory), own_c = own(backend, c.memory);
        const auto left = a.template in<const T>(own_a.data()), right = b.template in<const T>(own_b.data());
        const auto result = c.template in<T>(own_c.data());
        backend.gemm(left, right, result, false);
        const std::vector<T> together = own_c.host();
        bool same = true;
        for (index begin = 0; begin < m; ++begin)
          for (index count : {index{1}, index{2}, index{5}, index{14}, index{30}}) {
            if (begin + count > m) continue;
            backend.gemm(tilt::row_range(left, begin, count), right, tilt::row_range(result, begin, count), false);
            if (count == 1 || begin % 16 == 0) same = same && own_c.host() == together;
          }
        CHECK(same);
      }
    });
  } else {
    SUCCEED("it does not claim to be");
  }
}
