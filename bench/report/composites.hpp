// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/attention.hpp>
#include <tilt/model/head.hpp>

#include "row.hpp"
#include "shapes.hpp"

namespace tilt::bench {

/// Attention over two trees, each a prompt of 384 tokens and two responses of 128.
template <backend B> class attention_world {
 public:
  attention_world(B& b, const model_config& c)
      : queries_(random_numbers(tokens * c.query_width())), keys_(random_numbers(tokens * c.key_width())), out_(queries_), d_keys_(keys_),
        d_values_(keys_), scratch_(static_cast<std::size_t>(detail::attention_scratch(longest, true) * b.teams())) {
    std::vector<query_at> queries;
    for (index begin = 0; begin < tokens;) {
      const int root = static_cast<int>(segments_.size());
      for (const index length : {prompt, response, response}) {
        const bool is_root = static_cast<int>(segments_.size()) == root;
        const segment s{begin, length, is_root ? -1 : root, is_root ? 0 : prompt};
        for (index t = 0; t < length; ++t)
          queries.push_back({static_cast<std::int32_t>(segments_.size()), static_cast<std::int32_t>(s.position + t)});
        segments_.push_back(s);
        begin += length;
      }
    }
    const attention_ranges ranges = lay_out_attention(
        segments_, [&](index q) { return queries[static_cast<std::size_t>(q)]; }, tokens, block_);
    arguments_ = {ranges.plan(block_.data()),
                  matrix_of<const float>(queries_.data(), tokens, c.query_width()),
                  matrix_of<const float>(keys_.data(), tokens, c.key_width()),
                  matrix_of<const float>(keys_.data(), tokens, c.key_width()),
                  c.num_attention_heads,
                  c.num_key_value_heads,
                  c.head_dim,
                  0.125f};
  }

  void forward(B& b) { detail::attention_forward(b, arguments_, matrix_of(out_.data(), tokens, arguments_.query.extent[1]), scratch()); }
  void backward(B& b) {
    const index width = arguments_.key.extent[1];
    detail::attention_backward(b, arguments_, arguments_.query, matrix_of(out_.data(), tokens, arguments_.query.extent[1]),
                               matrix_of(d_keys_.data(), tokens, width), matrix_of(d_values_.data(), tokens, width), scratch());
  }

  /// Of forward: two products for each key that a query sees. Backward has twice as many, scores that are computed again not counted.
  double flops() const {
    double keys = 0;
    for (const segment& s : segments_) keys += visible_keys(s);
    return 4 * static_cast<double>(arguments_.query.extent[1]) * keys;
  }
  /// Of queries, keys, values and the result.
  double bytes() const { return 8 * static_cast<double>(queries_.size() + keys_.size()); }

 private:
  static constexpr index prompt = 384, response = 128, longest = prompt + response, tokens = 2 * (prompt + 2 * response);
  team_scratch<float> scratch() { return {scratch_.data(), detail::attention_scratch(longest, true)}; }

  std::vector<float> queries_, keys_, out_, d_keys_, d_values_, scratch_;
  std::vector<segment> segments_;
  integer_block block_;
  detail::attention_arguments<float> arguments_;
};

/// The vocabulary's head on 512 rows, one target each; logits are kept from forward to backward.
template <backend B> class head_world {
 public:
  head_world(B& b, const model_config& c)
      : vocabulary_(c.vocab_size), d_(c.hidden_size), hidden_(random_numbers(rows * d_)),
        embedding_(random_numbers(vocabulary_ * d_, 0.1f)), d_hidden_(hidden_.size()), d_embedding_(embedding_.size()),
        kept_(static_cast<std::size_t>(rows * vocabulary_)),
        sums_(static_cast<std::size_t>(detail::tile_sums<float>::size(rows, vocabulary_))),
        scratch_(static_cast<std::size_t>(detail::head_scratch(vocabulary_) * b.teams())), outputs_(5 * rows), slopes_(rows, 1.0f / rows) {
    for (index r = 0; r <= rows; ++r) begin_.push_back(static_cast<std::int32_t>(r));
    for (index r = 0; r < rows; ++r) label_.push_back(static_cast<std::int32_t>(r * 89 % vocabulary_));
    detail::head_memory<float> memory;
    memory.kept = kept_.data();
    memory.kept_columns = vocabulary_;
    memory.piece_columns = 8192;
    memory.sums = {sums_.data(), detail::head_tiles(vocabulary_)};
    memory.team = {scratch_.data(), detail::head_scratch(vocabulary_)};
    arguments_ = {matrix_of<const float>(hidden_.data(), rows, d_),
                  matrix_of<const float>(embedding_.data(), vocabulary_, d_),
                  {begin_.data(), begin_.data(), label_.data()},
                  outputs_.data() + 4 * rows,
                  memory};
  }

  void forward(B& b) {
    float* const o = outputs_.data();
    detail::head_forward(b, arguments_, {o, o + rows, o + 2 * rows, o + 3 * rows});
  }
  void backward(B& b) {
    detail::head_backward(b, arguments_, {slopes_.data()}, matrix_of(d_hidden_.data(), rows, d_),
                          matrix_of(d_embedding_.data(), vocabulary_, d_));
  }
  double flops() const { return 2 * static_cast<double>(rows * vocabulary_ * d_); }  ///< of each of the three products
  double table_bytes() const { return 4 * static_cast<double>(vocabulary_ * d_); }

 private:
  static constexpr index rows = 512;
  index vocabulary_, d_;
  std::vector<float> hidden_, embedding_, d_hidden_, d_embedding_, kept_, sums_, scratch_, outputs_, slopes_;
  std::vector<std::int32_t> begin_, label_;
  detail::head_arguments<float> arguments_;
};

/// Rows of run(world, backend), and of what count(state, world) says that it takes.
template <backend B, template <class> class World, class Run, class Count>
void add_composite(const std::string& name, const model_config& c, Run run, Count count) {
  add_row(name, B::name, [=](benchmark::State& state, int threads) {
    B b(threads);
    World<B> world(b, c);
    repeat(state, [&] { run(world, b); });
    count(state, world);
  });
}

template <backend B> void add_composites() {
  using attention = attention_world<B>;
  using head = head_world<B>;
  for (const named_shape& s : {shape_20m(), shape_135m()}) {
    add_composite<B, attention_world>(
        "attention/" + s.name + "/forward", s.config, [](attention& w, B& b) { w.forward(b); },
        [](benchmark::State& state, const attention& w) { count_work(state, w.flops(), w.bytes()); });
    add_composite<B, attention_world>(
        "attention/" + s.name + "/backward", s.config, [](attention& w, B& b) { w.backward(b); },
        [](benchmark::State& state, const attention& w) { count_work(state, 2 * w.flops(), 2 * w.bytes()); });
    add_composite<B, head_world>(
        "head/" + s.name + "/forward", s.config, [](head& w, B& b) { w.forward(b); },
        [](benchmark::State& state, const head& w) { count_work(state, w.flops(), w.table_bytes()); });
    add_composite<B, head_world>(
        "head/" + s.name + "/both", s.config, [](head& w, B& b) { w.forward(b), w.backward(b); },
        [](benchmark::State& state, const head& w) { count_work(state, 3 * w.flops(), 4 * w.table_bytes()); });
  }
}

}  // namespace tilt::bench
