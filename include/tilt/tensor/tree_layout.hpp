// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <numeric>
#include <tilt/error.hpp>
#include <tilt/tensor/packed_trees.hpp>

namespace tilt {

/// What attention needs to know of trees, as arrays of a backend's memory. A query is a row of Q; its keys are the rows of K on the
/// path from the root to its own position, in that order. Queries come in tiles of one segment each; tiles of a tree are contiguous.
struct attention_plan {
  const std::int32_t* segment_begin = nullptr;     ///< [segments] first row of K and V
  const std::int32_t* segment_position = nullptr;  ///< [segments] that row's position on its path
  const std::int32_t* path_begin = nullptr;        ///< [segments + 1] into path
  const std::int32_t* path = nullptr;              ///< segments from the root to each segment, itself included
  const std::int32_t* tile_segment = nullptr;      ///< [tiles]
  const std::int32_t* tile_begin = nullptr;        ///< [tiles + 1] first query row
  const std::int32_t* tree_tile = nullptr;         ///< [trees + 1] first tile
  const std::int32_t* query_position = nullptr;    ///< [queries] position on the path: the last visible key
  index tiles = 0, trees = 0;
  index longest = 0;  ///< positions on the longest path
};

/// A query of attention: which segment it belongs to and its position on the path.
struct query_at {
  std::int32_t segment, position;
};

/// Where an array of integers begins in the block that is uploaded.
struct block_range {
  index begin = 0, count = 0;
};

/// Host-side integers of one batch, built into one vector so that one copy uploads them. After `reserve`d sizes nothing allocates.
class integer_block {
 public:
  void clear() { values_.clear(); }
  void reserve(index n) { values_.reserve(static_cast<std::size_t>(n)); }
  index size() const { return static_cast<index>(values_.size()); }
  const std::int32_t* data() const { return values_.data(); }

  index begin() const { return size(); }
  void push(index value) { values_.push_back(static_cast<std::int32_t>(value)); }
  block_range since(index begin) const { return {begin, size() - begin}; }
  std::int32_t* at(block_range r) { return values_.data() + r.begin; }
  block_range extend(index count) {
    const index begin_at = size();
    values_.resize(values_.size() + static_cast<std::size_t>(count));
    return {begin_at, count};
  }

 private:
  std::vector<std::int32_t> values_;
};

/// The arrays of one attention_plan inside an integer_block.
struct attention_ranges {
  block_range segment_begin, segment_position, path_begin, path, tile_segment, tile_begin, tree_tile, query_position;
  index longest = 0;

  attention_plan plan(const std::int32_t* base) const {
    return {base + segment_begin.begin, base + segment_position.begin, base + path_begin.begin, base + path.begin,
            base + tile_segment.begin,  base + tile_begin.begin,       base + tree_tile.begin,  base + query_position.begin,
            tile_segment.count,         tree_tile.count - 1,           longest};
  }
};

/// Query rows that attention handles together: a multiple of the micro-kernels' rows. Where heads share keys, the order in which their
/// slopes are added depends on it, and on nothing else but the tree.
inline constexpr index attention_tile = 42;

/// Writes the plan of `queries` (count of them, grouped by segment, segments in order, positions ascending) over `segments`.
/// O(segments·depth + queries).
template <class Queries> attention_ranges lay_out_attention(const std::vector<segment>& segments, const Queries& query, index count, integer_block& block) {
  attention_ranges r;
  const index n = static_cast<index>(segments.size());
  index from = block.begin();
  for (const segment& s : segments) block.push(s.begin);
  r.segment_begin = block.since(from);
  from = block.begin();
  for (const segment& s : segments) block.push(s.position);
  r.segment_position = block.since(from);

  r.path_begin = block.extend(n + 1);
  from = block.begin();
  for (index s = 0; s < n; ++s) {
    block.at(r.path_begin)[s] = static_cast<std::int32_t>(block.begin() - from);
    const index first = block.begin();
    for (index a = s; a >= 0; a = segments[static_cast<std::size_t>(a)].parent) block.push(a);
    std::int32_t* const path = block.at({first, 0});
    std::reverse(path, path + (block.begin() - first));
  }
  r.path = block.since(from);
  block.at(r.path_begin)[n] = static_cast<std::int32_t>(r.path.count);

  const auto cut = [&](index q) { return q == count || query(q).segment != query(q - 1).segment; };
  index tiles = 0;
  for (index q = 0, begin = 0; q < count; ++q)
    if (cut(q + 1) || q + 1 - begin == attention_tile) begin = q + 1, ++tiles;
  r.tile_segment = block.extend(tiles);
  r.tile_begin = block.extend(tiles + 1);
  index tile = 0;
  for (index q = 0, begin = 0; q < count; ++q)
    if (cut(q + 1) || q + 1 - begin == attention_tile) {
      block.at(r.tile_segment)[tile] = query(q).segment;
      block.at(r.tile_begin)[tile] = static_cast<std::int32_t>(begin);
      begin = q + 1;
      ++tile;
    }
  block.at(r.tile_begin)[tiles] = static_cast<std::int32_t>(count);

  from = block.begin();
  block.push(0);
  index s = 0;
  for (index t = 0; s < n;) {  // a tree's segments follow their root
    ++s;
    while (s < n && segments[static_cast<std::size_t>(s)].parent >= 0) ++s;
    while (t < tiles && block.at(r.tile_segment)[t] < s) ++t;
    block.push(t);
  }
  r.tree_tile = block.since(from);

  from = block.begin();
  for (index q = 0; q < count; ++q) {
    block.push(query(q).position);
    r.longest = std::max<index>(r.longest, query(q).position + 1);
  }
  r.query_position = block.since(from);
  return r;
}

/// Items grouped by a key: group g holds the items item[begin[g], begin[g+1]), in ascending order, all with key[g].
struct grouping_ranges {
  block_range key, begin, item;
};

/// Groups items [0, count) by key_of(item). `order` is scratch. O(n log n).
template <class KeyOf> grouping_ranges group_by_key(index count, const KeyOf& key_of, std::vector<std::int32_t>& order, integer_block& block) {
  order.resize(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const auto ka = key_of(a), kb = key_of(b);
    return ka != kb ? ka < kb : a < b;
  });
  grouping_ranges g;
  index groups = 0;
  for (index i = 0; i < count; ++i)
    if (i == 0 || key_of(order[static_cast<std::size_t>(i)]) != key_of(order[static_cast<std::size_t>(i) - 1])) ++groups;
  g.key = block.extend(groups);
  g.begin = block.extend(groups + 1);
  g.item = block.extend(count);
  index group = -1;
  for (index i = 0; i < count; ++i) {
    const std::int32_t item = order[static_cast<std::size_t>(i)];
    if (i == 0 || key_of(item) != key_of(order[static_cast<std::size_t>(i) - 1])) {
      ++group;
      block.at(g.key)[group] = static_cast<std::int32_t>(key_of(item));
      block.at(g.begin)[group] = static_cast<std::int32_t>(i);
    }
    block.at(g.item)[i] = item;
  }
  block.at(g.begin)[groups] = static_cast<std::int32_t>(count);
  return g;
}

/// Checks what a caller may get wrong in packed trees; throws `error`. O(tokens + targets).
inline void check_packed_trees(const packed_trees& trees, index vocab_size, index max_positions) {
  index expected = 0;
  const index n = static_cast<index>(trees.segments.size());
  for (index i = 0; i < n; ++i) {
    const segment& s = trees.segments[static_cast<std::size_t>(i)];
    if (s.begin != expected || s.length < 1) throw error("packed trees: segments must be laid end to end and not be empty");
    if (s.parent >= i || s.parent < -1) throw error("packed trees: a segment's parent must come before it");
    const index position = s.parent < 0 ? 0 : trees.segments[static_cast<std::size_t>(s.parent)].position + trees.segments[static_cast<std::size_t>(s.parent)].length;
    if (s.position != position) throw error("packed trees: a segment's position must follow its parent's last");
    if (s.position + s.length > max_positions)
      throw error("packed trees: a path of " + std::to_string(s.position + s.length) + " tokens is longer than the model's " + std::to_string(max_positions) + " positions");
    expected += s.length;
  }
  if (expected != trees.tokens()) throw error("packed trees: the segments must cover all tokens");
  for (const token id : trees.ids)
    if (id < 0 || id >= vocab_size) throw error("packed trees: token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocab_size));
  for (const target& t : trees.targets)
    if (t.source < 0 || t.source >= expected || t.label < 0 || t.label >= vocab_size) throw error("packed trees: a target lies outside the tokens or the vocabulary");
}

}  // namespace tilt
