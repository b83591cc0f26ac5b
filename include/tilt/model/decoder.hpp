// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <span>
#include <tilt/model/embedding.hpp>
#include <tilt/model/layer.hpp>
#include <tilt/model/transformer.hpp>

namespace tilt {

struct decoder_limits {
  index cache_tokens = 0;  ///< tokens of all prompts and branches together
  index new_tokens = 0;    ///< tokens of one call: the longest prompt, or the number of branches
  index segments = 0;      ///< prompts and branches together
  index longest = 0;       ///< tokens from a prompt's first to a branch's last

  bool operator==(const decoder_limits&) const = default;
};

/// Incremental forward passes over trees that grow: a prompt is computed once, its branches share its keys and values. Runs the
/// layers of `pass` on the same chains of sums, so on a row-exact backend the logits have the bits that scoring the finished
/// sequence gives. All memory is taken at construction; no call allocates.
template <class B> class decoder {
 public:
  using scalar = typename B::scalar;

  decoder(const transformer<B>& model, const decoder_limits& limits) : model_(&model), limits_(limits), arena_(model.backend()) {
    arena_plan plan;
    lay_out(plan);
    arena_.reserve(plan.bytes());
    lay_out(arena_);
    const index longest = std::min(limits.longest, config().max_position_embeddings);
    if (config().rope != rope_kind::none) {
      const std::vector<scalar> table = detail::rope_table<scalar>(config(), longest);
      rope_.push_back(backend().template allocate<scalar>(static_cast<index>(table.size())));
      backend().copy_in(table.data(), static_cast<index>(table.size()), rope_[0].data());
    }
    host_.reserve(static_cast<std::size_t>(limits.segments * config().vocab_size));
    segments_.reserve(static_cast<std::size_t>(limits.segments));
    capacities_.reserve(static_cast<std::size_t>(limits.segments));
    calls_.reserve(static_cast<std::size_t>(limits.new_tokens));
    positions_.reserve(static_cast<std::size_t>(limits.new_tokens));
    integers_.reserve(integer_count());
  }

  /// Forgets all prompts and branches.
  void clear() {
    segments_.clear();
    used_ = 0;
  }

  /// Computes a prompt; logits(0) then predicts what follows it. Returns its handle for `fork`.
  int prompt(std::span<const token> ids) {
    if (ids.empty()) throw error("decoder: a prompt needs at least one token");
    const int handle = add({used_, 0, -1, 0}, static_cast<index>(ids.size()));
    calls_.clear();
    for (const token id : ids) calls_.push_back({handle, id});
    run(true);
    return handle;
  }

  /// A branch of a prompt with room for `capacity` tokens.
  int fork(int prompt_handle, index capacity) {
    const segment& parent = segments_.at(static_cast<std::size_t>(prompt_handle));
    return add({used_, 0, prompt_handle, parent.position + parent.length}, capacity);
  }

  /// Appends tokens[i] to branches[i] (each branch once, ascending handles); logits(i) then predicts what follows it.
  void append(std::span<const int> branches, std::span<const token> tokens) {
    if (branches.empty()) return;
    calls_.clear();
    for (std::size_t i = 0; i < branches.size(); ++i) {
      if (i > 0 && branches[i] <= branches[i - 1]) throw error("decoder: append takes each branch once, in ascending order");
      calls_.push_back({branches[i], tokens[i]});
    }
    run(false);
  }

  /// Logits over the vocabulary after row i of the last call.
  std::span<const scalar> logits(index i) const {
    const index v = config().vocab_size;
    return {host_.data() + i * v, static_cast<std::size_t>(v)};
  }

 private:
  struct call {
    int branch;
    token id;
  };
  const model_config& config() const { return model_->config(); }
  B& backend() const { return model_->backend(); }

  int add(segment s, index capacity) {
    if (used_ + capacity > limits_.cache_tokens || static_cast<index>(segments_.size()) >= limits_.segments)
      throw error("decoder: more tokens or branches than its limits");
    if (s.position + capacity > limits_.longest) throw error("decoder: a sequence longer than its limits");
    used_ += capacity;
    segments_.push_back(s);
    capacities_.resize(segments_.size());
    capacities_.back() = capacity;
    return static_cast<int>(segments_.size()) - 1;
  }

  void run(bool last_only) {
    B& b = backend();
    const index n = static_cast<index>(calls_.size()), d = config().hidden_size, v = config().vocab_size;
    if (n > limits_.new_tokens) throw error("decoder: more tokens in a call than its limits");
    integers_.clear();
    const block_range ids = integers_.extend(n), cache_row = integers_.extend(n);
    positions_.clear();
    for (index i = 0; i < n; ++i) {
      const call& c = calls_[static_cast<std::size_t>(i)];
      segment& s = segments_.at(static_cast<std::size_t>(c.branch));
      if (s.length >= capacities_[static_cast<std::size_t>(c.branch)]) throw error("decoder: a branch is full");
      if (c.id < 0 || c.id >= v) throw error("decoder: token " + std::to_string(c.id) + " is outside the vocabulary");
      if (s.position + s.length >= config().max_position_embeddings) throw error("decoder: the sequence is longer than the model's positions");
      integers_.at(ids)[i] = c.id;
      integers_.at(cache_row)[i] = static_cast<std::int32_t>(s.begin + s.length);
      positions_.push_back({c.branch, static_cast<std::int32_t>(s.position + s.length)});
      ++s.length;
    }
    const auto query_of = [&](index i) { return positions_[static_cast<std::size_t>(i)]; };
    const attention_ranges all = lay_out_attention(segments_, query_of, n, integers_);
    const bool compact = last_only && n > 1;
    const index rows = compact ? 1 : n;
    block_range row_token{};
    attention_ranges last = all;
    if (compact) {
      row_token = integers_.extend(1);
      integers_.at(row_token)[0] = static_cast<std::int32_t>(n - 1);
      last = lay_out_attention(segments_, [&](index) { return query_of(n - 1); }, 1, integers_);
    }
    b.copy_in(integers_.data(), integers_.size(), device_integers_);
    const auto device = [&](block_range r) { return static_cast<const std::int32_t*>(device_integers_ + r.begin); };

    const auto w = model_->table().decoder(model_->weights());
    gather_rows(b, matrix_of(w.embedding, v, d), device(ids), matrix_of(stream_[0], n, d));
    if (w.positions != nullptr)
      b.rows(n, detail::add_gathered_program<scalar>{matrix_of(w.positions, config().max_position_embeddings, d), device(all.query_position), matrix_of(stream_[0], n, d)}, {});
    const index layers = config().num_hidden_layers, width = config().key_width(), cache = limits_.cache_tokens;
    for (index l = 0; l < layers; ++l) {
      const bool shorten = compact && l + 1 == layers;
      activations_.input = stream_[l % 2];
      const detail::layer_extent<scalar> e{n, shorten ? rows : n, shorten ? device(row_token) : nullptr, device(all.query_position),
                                           rope_.empty() ? nullptr : rope_[0].data(), (shorten ? last : all).plan(device_integers_)};
      const detail::layer_cache<scalar> kv{cache_ + 2 * l * cache * width, cache_ + (2 * l + 1) * cache * width, cache, device(cache_row)};
      detail::layer_forward(b, config(), model_->table().layer(model_->weights(), l), e, activations_, scratch_, kv, stream_[(l + 1) % 2]);
    }
    scalar* const final_rows = scratch_.projected;
    detail::norm_forward(b, matrix_of(stream_[layers % 2], rows, d), w.final_norm.weight, w.final_norm.bias,
                         static_cast<scalar>(config().norm_epsilon), matrix_of(final_rows, rows, d), activations_.input_statistics);
    b.gemm(matrix_of(final_rows, rows, d), transposed(matrix_of(w.head, v, d)), matrix_of(logits_, rows, v), false);
    host_.resize(static_cast<std::size_t>(rows * v));
    b.copy_out(logits_, rows * v, host_.data());
  }

  /// Integers of a call at most.
  index integer_count() const {
    const index tiles = limits_.segments + limits_.new_tokens / attention_tile + 2;
    return 6 * limits_.new_tokens + 2 * (7 * limits_.segments + 2 * tiles + 8);
  }
  template <class Arena> void lay_out(Arena& arena) {
    const index n = limits_.new_tokens, d = config().hidden_size;
    device_integers_ = arena.template take<std::int32_t>(integer_count());
    cache_ = arena.template take<scalar>(2 * config().num_hidden_layers * limits_.cache_tokens * config().key_width());
    for (scalar*& s : stream_) s = arena.template take<scalar>(n * d);
    activations_.take(arena, config(), n, n);
    scratch_.take(arena, config(), n, n, limits_.longest, backend().teams(), false);
    logits_ = arena.template take<scalar>(std::max<index>(1, std::min(n, limits_.segments)) * config().vocab_size);
  }

  const transformer<B>* model_;
  decoder_limits limits_;
  arena<B> arena_;
  std::vector<buffer_of<B, scalar>> rope_;
  std::vector<segment> segments_;
  std::vector<index> capacities_;
  std::vector<call> calls_;
  std::vector<query_at> positions_;
  integer_block integers_;
  index used_ = 0;
  std::int32_t* device_integers_ = nullptr;
  scalar *cache_ = nullptr, *stream_[2] = {}, *logits_ = nullptr;
  detail::layer_activations<scalar> activations_;
  detail::layer_scratch<scalar> scratch_;
  std::vector<scalar> host_;
};

}  // namespace tilt
