// SPDX-License-Identifier: Apache-2.0
#pragma once
// Attention over trees, forward and backward.
#include <conformance/composites.hpp>
#include <tilt/model/attention.hpp>

namespace tilt::test {

/// Random trees, up to three deep, and queries of all their tokens or of some, as in the last layer.
template <class T> struct attention_case {
  std::vector<segment> segments;
  std::vector<query_at> queries;
  integer_block block;
  attention_ranges ranges;
  index tokens = 0, heads, kv_heads, head_dim;
  std::vector<random_matrix<T>> arrays;  // query, key, value, out, d_out, d_query, d_key, d_value

  attention_case(index trees, bool all, index kv, index group, index d, std::mt19937_64& random)
      : heads(kv * group), kv_heads(kv), head_dim(d) {
    for (index t = 0; t < trees; ++t) {
      const std::size_t root = segments.size();
      add(-1, pick<index>({1, 2, 31, 32, 33, 67}, random));
      for (std::size_t children = random() % 4; children > 0; --children)
        add(static_cast<int>(root + random() % (segments.size() - root)), pick<index>({1, 5, 32, 40}, random));
    }
    for (std::size_t s = 0; s < segments.size(); ++s)
      for (index i = 0; i < segments[s].length; ++i)
        if (all || random() % 5 < 2) queries.push_back({static_cast<std::int32_t>(s), static_cast<std::int32_t>(segments[s].position + i)});
    const index count = static_cast<index>(queries.size());
    ranges = lay_out_attention(
        segments, [&](index q) { return queries[static_cast<std::size_t>(q)]; }, count, block);
    for (int a = 0; a < 8; ++a) {
      const bool of_keys = a == 1 || a == 2 || a == 6 || a == 7;
      arrays.emplace_back(of_keys ? tokens : count, (of_keys ? kv_heads : heads) * d, any_rows(random), random);
    }
  }
  std::string text() const {
    std::ostringstream out;
    out << segments.size() << " segments of " << tokens << " tokens, " << queries.size() << " queries, " << heads << '/' << kv_heads
        << " heads of " << head_dim;
    return out.str();
  }

 private:
  void add(int parent, index length) {
    const index position =
        parent < 0 ? 0 : segments[static_cast<std::size_t>(parent)].position + segments[static_cast<std::size_t>(parent)].length;
    segments.push_back({tokens, length, parent, position});
    tokens += length;
  }
};

template <class B, class T> results run_attention(B& backend, const attention_case<T>& c) {
  using S = typename B::scalar;
  auto integers = own(backend, std::vector<std::int32_t>(c.block.data(), c.block.data() + c.block.size()));
  std::vector<own_array<S, B>> memory;
  std::vector<matrix_view<S>> views;
  for (const random_matrix<T>& array : c.arrays) {
    memory.push_back(place(backend, array.memory));
    views.push_back(array.template in<S>(memory.back().data()));
  }
  const index per_team = detail::attention_scratch(c.ranges.longest, true);
  auto kept = own(backend, std::vector<S>(static_cast<std::size_t>(per_team * backend.teams()), std::numeric_limits<S>::quiet_NaN()));
  const team_scratch<S> scratch{kept.data(), per_team};
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(c.head_dim)));
  const detail::attention_arguments<S> a{c.ranges.plan(integers.data()), views[0], views[1], views[2], c.heads, c.kv_heads, c.head_dim,
                                         static_cast<S>(scale)};
  detail::attention_forward(backend, a, views[3], scratch);
  detail::attention_backward(backend, a, views[4], views[5], views[6], views[7], scratch);
  return {{"out", widened(memory[3])}, {"d_query", widened(memory[5])}, {"d_key", widened(memory[6])}, {"d_value", widened(memory[7])}};
}

/// Calls run(case) over shapes that are empty, one, odd, around the tile's size, and random.
template <class T, class Run> void for_each_attention_case(const Run& run) {
  std::mt19937_64 random(11);
  struct extents {
    index trees, kv, group, d;
  };
  for (const extents& e :
       {extents{0, 1, 1, 4}, {1, 1, 1, 1}, {1, 1, 2, 3}, {2, 2, 2, 6}, {3, 4, 1, 5}, {1, 2, 3, 16}, {2, 1, 2, 33}, {1, 1, 1, 64}})
    for (const bool all : {true, false}) run(attention_case<T>(e.trees, all, e.kv, e.group, e.d, random));
}

/// A score is a sum over the head's width and shifts the logarithm of a weight; an output adds up to as many keys as the path has, a
/// key's gradient up to as many queries as see it.
template <class T> long double attention_bound(const attention_case<T>& c) {
  return 2 * tolerance<T>::sum(static_cast<std::size_t>(c.head_dim + c.ranges.longest));
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "attention over trees, forward and backward, equals the reference backend's") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  worst_element worst;
  for_each_attention_case<T>([&](const attention_case<T>& c) {
    check_composite<tested_backend>([&](auto& backend) { return run_attention(backend, c); }, attention_bound(c), c.text(), worst);
  });
  worst.report("attention");
}
