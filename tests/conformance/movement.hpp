// SPDX-License-Identifier: Apache-2.0
#pragma once
// What moves and adds rows: gather, scatter, the embedding forward and backward, column sums, fills and copies.
#include <conformance/composites.hpp>
#include <numeric>
#include <tilt/model/embedding.hpp>
#include <tilt/tensor/tree_layout.hpp>

namespace tilt::test {

template <class T> struct movement_case {
  random_matrix<T> table, gathered, scattered, added, positions, d_table;
  std::vector<T> row, sums, ones;
  std::vector<std::int32_t> ids, distinct;  // rows of the table, some more than once; each at most once
  integer_block block;
  grouping_ranges groups;

  movement_case(index rows, index count, index n, std::mt19937_64& random)
      : table(rows, n, any_rows(random), random), gathered(count, n, any_rows(random), random),
        scattered(rows, n, any_rows(random), random), added(rows, n, any_rows(random), random),
        positions(count, n, any_rows(random), random), d_table(rows, n, any_rows(random), random), row(random_vector<T>(n, random)),
        sums(random_vector<T>(n, random)), ones(static_cast<std::size_t>(count), T(1)), distinct(static_cast<std::size_t>(rows)) {
    for (index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(random() % static_cast<std::size_t>(rows)));
    std::iota(distinct.begin(), distinct.end(), 0);
    std::shuffle(distinct.begin(), distinct.end(), random);
    std::vector<std::int32_t> order;
    groups = group_by_key(
        count, [&](index i) { return ids[static_cast<std::size_t>(i)]; }, order, block);
  }
};

template <class B, class T> results run_movement(B& backend, const movement_case<T>& c) {
  using S = typename B::scalar;
  auto table = place(backend, c.table.memory), gathered = place(backend, c.gathered.memory), scattered = place(backend, c.scattered.memory);
  auto added = place(backend, c.added.memory), positions = place(backend, c.positions.memory), d_table = place(backend, c.d_table.memory);
  auto row = place(backend, c.row), sums = place(backend, c.sums), ones = place(backend, c.ones);
  auto ids = own(backend, c.ids), distinct = own(backend, c.distinct);
  auto integers = own(backend, std::vector<std::int32_t>(c.block.data(), c.block.data() + c.block.size()));
  const matrix_view<S> from = c.table.template in<S>(table.data()), x = c.gathered.template in<S>(gathered.data());
  gather_rows(backend, from, ids.data(), x);
  backend.rows(x.extent[0], detail::add_gathered_program<S>{from, ids.data(), c.positions.template in<S>(positions.data())}, {});
  scatter_rows(backend, from, distinct.data(), c.scattered.template in<S>(scattered.data()), false);
  scatter_rows(backend, from, distinct.data(), c.added.template in<S>(added.data()), true);
  const std::int32_t* const base = integers.data();
  detail::embedding_backward(backend, base + c.groups.key.begin, base + c.groups.begin.begin, base + c.groups.item.begin,
                             c.groups.key.count, x, c.d_table.template in<S>(d_table.data()));
  add_column_sums(backend, x, ones.data(), sums.data());
  add_to_rows(backend, row.data(), x);
  return {{"gathered", widened(gathered)},         {"gathered and added", widened(positions)},    {"scattered", widened(scattered)},
          {"scattered and added", widened(added)}, {"embedding's gradient", widened(d_table), 1}, {"column sums", widened(sums), 1}};
}

template <class B, class T> results run_elementwise(B& backend, const std::vector<T>& a, const std::vector<T>& b, index n) {
  using S = typename B::scalar;
  auto left = place(backend, a), right = place(backend, b), filled = place(backend, a), copied = place(backend, a), sum = place(backend, a);
  fill(backend, filled.data(), n, static_cast<S>(3));
  copy(backend, static_cast<const S*>(right.data()), copied.data(), n);
  add(backend, static_cast<const S*>(left.data()), static_cast<const S*>(right.data()), sum.data(), n);
  add(backend, static_cast<const S*>(left.data()), static_cast<const S*>(right.data()), left.data(), n);
  return {{"filled", widened(filled)}, {"copied", widened(copied)}, {"sum", widened(sum)}, {"sum in place", widened(left)}};
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "gather, scatter, the embedding's gradient and column sums equal the reference backend's") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(17);
  worst_element worst;
  std::vector<std::array<index, 3>> shapes = {{1, 0, 5}, {1, 1, 1}, {5, 0, 3}, {1, 64, 33}, {61, 200, 20}, {3, 100, 17}};
  for (int i = 0; i < 12; ++i)
    shapes.push_back({1 + static_cast<index>(random() % 50), static_cast<index>(random() % 90), 1 + static_cast<index>(random() % 70)});
  for (const auto& [rows, count, n] : shapes) {
    const movement_case<T> c(rows, count, n, random);
    std::ostringstream at;
    at << c.ids.size() << " of " << rows << " rows of " << c.row.size();
    check_composite<tested_backend>([&](auto& backend) { return run_movement(backend, c); }, tolerance<T>::sum(c.ids.size()), at.str(),
                                    worst);
  }
  worst.report("gather, scatter, sums");
}

TEST_CASE(TILT_TESTED_AS "fill, copy and add touch n elements and no more") {
  using namespace tilt::test;
  using tilt::index;
  using T = tested_backend::scalar;
  std::mt19937_64 random(18);
  worst_element worst;
  for (const index n : lengths) {
    const std::vector<T> a = random_vector<T>(n + 9, random), b = random_vector<T>(n + 9, random);
    check_composite<tested_backend>([&](auto& backend) { return run_elementwise(backend, a, b, n); }, tolerance<T>::value,
                                    "n = " + std::to_string(n), worst);
  }
  worst.report("fill, copy, add");
}
