// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <span>
#include <utility>
#include <tilt/model/embedding.hpp>
#include <tilt/model/head.hpp>
#include <tilt/model/layer.hpp>
#include <tilt/model/transformer.hpp>
#include <tilt/model/value_head.hpp>
#include <tilt/tensor/arena.hpp>

namespace tilt {

enum class pass_kind { inference, training };

/// What one call of a pass may meet at most; `reserve` sizes all memory for it.
struct pass_limits {
  index tokens = 0;
  index rows = 0;      ///< tokens that predict something
  index targets = 0;
  index segments = 0;
  index path_segments = 0;  ///< summed over segments, the segments on its path
  index longest = 0;   ///< tokens from a root to its farthest leaf

  static pass_limits of(const packed_trees& trees) {
    pass_limits l;
    l.tokens = trees.tokens();
    l.targets = static_cast<index>(trees.targets.size());
    l.rows = std::min(l.tokens, l.targets);
    l.segments = static_cast<index>(trees.segments.size());
    for (const segment& s : trees.segments) {
      l.longest = std::max(l.longest, s.position + s.length);
      for (int a = static_cast<int>(&s - trees.segments.data()); a >= 0; a = trees.segments[static_cast<std::size_t>(a)].parent) ++l.path_segments;
    }
    return l;
  }
  friend pass_limits max(const pass_limits& a, const pass_limits& b) {
    return {std::max(a.tokens, b.tokens), std::max(a.rows, b.rows), std::max(a.targets, b.targets),
            std::max(a.segments, b.segments), std::max(a.path_segments, b.path_segments), std::max(a.longest, b.longest)};
  }
};

struct pass_options {
  index kept_logits_bytes = index{256} << 20;  ///< logits kept from forward to backward; beyond that they are computed twice
  index chunk_bytes = index{16} << 20;         ///< logits that are alive at once otherwise, of all rows and some of the vocabulary
  bool log_squares = false;                    ///< whether forward also gives log Σ_v π(v)² of every target
  bool gradient_checkpointing = false;         ///< forward keeps each layer's input alone, and backward computes the layer again: the same bits
};

/// What a pass's arena holds, in bytes.
struct pass_memory {
  index activations = 0;  ///< what forward leaves for backward, and one layer's where they are not kept; without a backward, the two streams between layers
  index logits = 0;       ///< of the vocabulary's head, kept or alive for a piece, and its sums
  index scratch = 0;      ///< all else: what layers share, tokens, targets

  index total() const { return activations + logits + scratch; }
};

/// Derivatives of a loss that a backward pass starts from, one for each target of what forward said of it. An empty range stands for zeros.
template <class T> struct target_slopes {
  std::span<const T> logps = {};
  std::span<const T> entropies = {};
  std::span<const T> values = {};
};

/// Forward and, for training, backward of a transformer over packed trees. Owns the one arena that all activations live in; calls
/// after `reserve` with enough limits allocate nothing. Uses the transformer's weights as they are at the call.
template <class B> class pass {
 public:
  using scalar = typename B::scalar;

  pass(transformer<B>& model, pass_kind kind, pass_options options = {})
      : model_(&model), kind_(kind), options_(options), arena_(model.backend()), inputs_(layers()),
        activations_(training() && !options.gradient_checkpointing ? layers() : 1) {
    if (training() && model.read_only()) throw error("pass: weights that are read alone are not trained; take a clone");
  }

  /// Makes room for batches within the limits. Allocates, and forgets the last forward.
  void reserve(const pass_limits& limits) {
    if (fits(limits)) return;
    limits_ = max(limits_, limits);
    arena_.reserve(memory(limits_).total());
    integers_.reserve(integers(limits_));
    for (auto* v : {&row_token_, &token_row_, &order_, &position_}) v->reserve(static_cast<std::size_t>(std::max(limits_.tokens, limits_.targets)));
    host_.reserve(static_cast<std::size_t>(outputs() * limits_.targets));
    const index longest = config().rope == rope_kind::none ? 0 : limits_.longest;
    if (longest > rope_positions_) {
      const std::vector<scalar> table = detail::rope_table<scalar>(config(), longest);
      rope_.clear();
      rope_.push_back(backend().template allocate<scalar>(static_cast<index>(table.size())));
      backend().copy_in(table.data(), static_cast<index>(table.size()), rope_[0].data());
      rope_positions_ = longest;
    }
  }
  /// What reserve would ask for.
  pass_memory memory(const pass_limits& limits) {
    const pass_limits own = std::exchange(limits_, limits);
    arena_plan plan;
    memory_taken_ = {};
    lay_out(plan, limits, integers(limits));
    limits_ = own;
    memory_taken_.scratch = plan.bytes() - memory_taken_.activations - memory_taken_.logits;
    return memory_taken_;
  }
  const transformer<B>& model() const { return *model_; }
  index arena_bytes() const { return arena_.capacity(); }

  /// Log-probabilities of all targets. Throws `error` on trees that do not fit the model.
  void forward(const packed_trees& trees) {
    check_packed_trees(trees, config().vocab_size, config().max_position_embeddings);
    reserve(pass_limits::of(trees));
    lay_out_integers(trees);
    arena_.release(0);
    pass_limits now = pass_limits::of(trees);
    now.rows = rows_;
    lay_out(arena_, now, integers_.size());
    backend().copy_in(integers_.data(), integers_.size(), device_integers_);
    run_forward();
    host_.resize(static_cast<std::size_t>(outputs() * targets_));
    if (targets_ > 0) backend().copy_out(outputs_.logps, outputs() * targets_, host_.data());
  }

  /// Per target, in the batch's order; on the host. Empty without a vocabulary head.
  std::span<const scalar> logps() const { return output(0); }
  std::span<const scalar> entropies() const { return output(1); }    ///< nats
  std::span<const scalar> mean_logits() const { return output(2); }  ///< over the vocabulary
  std::span<const scalar> top1() const { return output(3); }         ///< 1 where the label is the most probable token, else 0
  /// log Σ_v π(v)², the logarithm of the probability that two draws agree; empty unless the options ask for it.
  std::span<const scalar> log_squares() const { return options_.log_squares ? output(4) : std::span<const scalar>(); }
  /// The value head's, of the state that predicts the target (a text's last, where targets are whole texts); empty without one.
  std::span<const scalar> values() const { return config().value_head ? host(words(), 1) : std::span<const scalar>(); }

  /// gradients += Σ_t d.logps[t]·∂logp_t/∂weights, likewise of entropies and values, for the batch of the last forward; a flat buffer of the
  /// model's size. Once a forward.
  void backward(const target_slopes<scalar>& d, scalar* gradients) {
    if (kind_ != pass_kind::training) throw error("pass: backward needs a pass made for training");
    const auto take = [this](std::span<const scalar> given, scalar* to, bool known) {
      if (given.empty() && known) return fill(backend(), to, targets_, scalar(0));
      if (given.empty()) return;
      if (!known) throw error("pass: the model has not the head that backward has a slope of");
      if (static_cast<index>(given.size()) != targets_) throw error("pass: backward takes one slope a target");
      backend().copy_in(given.data(), targets_, to);
    };
    if (targets_ == 0) return;
    take(d.logps, d_logps_, config().vocabulary_head);
    if (!d.entropies.empty()) take(d.entropies, d_entropies_, config().vocabulary_head);
    take(d.values, d_values_, config().value_head);
    run_backward(gradients, !d.entropies.empty());
  }

  /// Logits of the tokens that predict something, ascending [rows, V], for a pass made for inference. Allocates; for tests and tools.
  std::vector<scalar> logits() {
    const index v = config().vocab_size;
    auto block = backend().template allocate<scalar>(rows_ * v);
    backend().gemm(head().hidden, transposed(head().embedding), matrix_of(block.data(), rows_, v), false);
    std::vector<scalar> values(static_cast<std::size_t>(rows_ * v));
    backend().copy_out(block.data(), rows_ * v, values.data());
    return values;
  }
  index rows() const { return rows_; }

 private:
  const model_config& config() const { return model_->config(); }
  B& backend() const { return model_->backend(); }
  detail::layer_activations<scalar>& activations_of(std::size_t layer) { return activations_[std::min(layer, activations_.size() - 1)]; }
  std::size_t layers() const { return static_cast<std::size_t>(config().num_hidden_layers); }
  bool training() const { return kind_ == pass_kind::training; }
  /// Arrays over targets that forward gives: those of the vocabulary head, then the value.
  index words() const { return !config().vocabulary_head ? 0 : options_.log_squares ? 5 : 4; }
  index outputs() const { return words() + (config().value_head ? 1 : 0); }
  std::span<const scalar> host(index which, index have) const { return {host_.data() + which * targets_, static_cast<std::size_t>(have * targets_)}; }
  std::span<const scalar> output(index which) const { return host(which, which < words() ? 1 : 0); }
  bool fits(const pass_limits& l) const {
    return l.tokens <= limits_.tokens && l.rows <= limits_.rows && l.targets <= limits_.targets && l.segments <= limits_.segments &&
           l.path_segments <= limits_.path_segments && l.longest <= limits_.longest;
  }
  /// An upper bound of the integers that lay_out_integers writes.
  static index integers(const pass_limits& l) {
    const index plan = 3 * l.segments + l.path_segments + 2 * (l.segments + l.tokens / attention_tile + 2) + l.segments + 4;
    return 2 * plan + 8 * l.tokens + 4 * l.rows + 2 * l.targets + 16;
  }

  /// The arrays of a batch, as one block of integers that a single copy uploads.
  void lay_out_integers(const packed_trees& trees) {
    const index n = trees.tokens();
    tokens_ = n;
    targets_ = static_cast<index>(trees.targets.size());
    integers_.clear();
    ids_ = integers_.extend(n);
    std::copy(trees.ids.begin(), trees.ids.end(), integers_.at(ids_));
    position_.resize(static_cast<std::size_t>(n));
    order_.resize(static_cast<std::size_t>(n));  // here: the segment of each token
    for (std::size_t i = 0; i < trees.segments.size(); ++i) {
      const segment& s = trees.segments[i];
      for (index t = 0; t < s.length; ++t) {
        position_[static_cast<std::size_t>(s.begin + t)] = static_cast<std::int32_t>(s.position + t);
        order_[static_cast<std::size_t>(s.begin + t)] = static_cast<std::int32_t>(i);
      }
    }
    const auto query_of = [&](index t) { return query_at{order_[static_cast<std::size_t>(t)], position_[static_cast<std::size_t>(t)]}; };
    all_ = lay_out_attention(trees.segments, query_of, n, integers_);

    token_row_.assign(static_cast<std::size_t>(n), -1);
    for (const target& t : trees.targets) token_row_[static_cast<std::size_t>(t.source)] = 0;
    row_token_.clear();
    for (index t = 0; t < n; ++t)
      if (token_row_[static_cast<std::size_t>(t)] == 0) {
        token_row_[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(row_token_.size());
        row_token_.push_back(static_cast<std::int32_t>(t));
      }
    rows_ = static_cast<index>(row_token_.size());
    row_tokens_ = integers_.extend(rows_);
    std::copy(row_token_.begin(), row_token_.end(), integers_.at(row_tokens_));
    predicting_ = rows_ == n ? all_ : lay_out_attention(trees.segments, [&](index r) { return query_of(row_token_[static_cast<std::size_t>(r)]); }, rows_, integers_);

    const grouping_ranges by_row = group_by_key(
        targets_, [&](index t) { return static_cast<index>(token_row_[static_cast<std::size_t>(trees.targets[static_cast<std::size_t>(t)].source)]); }, order_, integers_);
    target_begin_ = by_row.begin;
    target_item_ = by_row.item;
    target_label_ = integers_.extend(targets_);
    for (index i = 0; i < targets_; ++i) integers_.at(target_label_)[i] = trees.targets[static_cast<std::size_t>(integers_.at(target_item_)[i])].label;

    if (training()) {
      by_id_ = group_by_key(n, [&](index t) { return static_cast<index>(trees.ids[static_cast<std::size_t>(t)]); }, order_, integers_);
      if (config().learned_positions)
        by_position_ = group_by_key(n, [&](index t) { return static_cast<index>(position_[static_cast<std::size_t>(t)]); }, order_, integers_);
    }
    longest_ = all_.longest;
  }

  /// Takes all of a step's memory: with an arena_plan to size it, with the arena to have it.
  template <class Arena> void lay_out(Arena& arena, const pass_limits& l, index integer_count) {
    const index d = config().hidden_size;
    device_integers_ = arena.template take<std::int32_t>(integer_count);
    const index before_layers = arena.mark();
    for (std::size_t i = 0; i < layers(); ++i) {
      inputs_[i] = training() || i < 2 ? arena.template take<scalar>(l.tokens * d) : inputs_[i - 2];
      const bool last = training() && i + 1 == layers();
      if (i < activations_.size()) activations_[i].take(arena, config(), l.tokens, last ? l.rows : l.tokens);
    }
    memory_taken_.activations = arena.mark() - before_layers;
    output_ = arena.template take<scalar>(l.rows * d);
    scratch_.take(arena, config(), l.tokens, l.tokens, l.longest, backend().teams(), training());
    final_ = arena.template take<scalar>(l.rows * d);
    final_statistics_ = arena.template take<scalar>(2 * l.rows);
    normalizer_ = arena.template take<scalar>(l.rows);
    outputs_.logps = arena.template take<scalar>(outputs() * l.targets);
    outputs_.entropies = outputs_.logps + l.targets;
    outputs_.mean_logits = outputs_.entropies + l.targets;
    outputs_.top1 = outputs_.mean_logits + l.targets;
    outputs_.log_squares = options_.log_squares ? outputs_.top1 + l.targets : nullptr;
    values_ = outputs_.logps + words() * l.targets;
    row_values_ = arena.template take<scalar>(config().value_head ? l.rows : 0);
    const index before_head = arena.mark();
    if (config().vocabulary_head) lay_out_head(arena, l.rows);
    memory_taken_.logits = arena.mark() - before_head;
    if (training()) {
      d_logps_ = arena.template take<scalar>(l.targets);
      d_entropies_ = arena.template take<scalar>(l.targets);
      d_values_ = arena.template take<scalar>(l.targets);
      d_rows_ = arena.template take<scalar>(l.rows * d);
      d_stream_ = arena.template take<scalar>(l.tokens * d);
    }
  }

  /// Memory of the vocabulary's head: sized for the limits, and of `rows` rows now.
  template <class Arena> void lay_out_head(Arena& arena, index rows) {
    const index v = config().vocab_size, most = limits_.rows, whole = most * v, unit = static_cast<index>(sizeof(scalar));
    const index kept = training() ? std::min(whole, options_.kept_logits_bytes / unit) : 0;
    const index chunk = std::min(whole, std::max(options_.chunk_bytes / unit, most * detail::head_tile));
    const auto columns = [&](index elements) {  // whole tiles, or all of the vocabulary
      const index fit = rows > 0 ? elements / rows : v;
      return fit >= v ? v : fit / detail::head_tile * detail::head_tile;
    };
    memory_.kept_columns = columns(kept);
    memory_.piece_columns = columns(chunk);
    memory_.kept = arena.template take<scalar>(kept);
    memory_.chunk = arena.template take<scalar>(kept < whole ? chunk : 0);
    memory_.sums = {arena.template take<scalar>(detail::tile_sums<scalar>::size(most, v)), detail::head_tiles(v)};
    memory_.team = {arena.template take<scalar>(detail::head_scratch(v) * backend().teams()), detail::head_scratch(v)};
  }

  detail::layer_extent<scalar> extent(index layer) const {
    const bool last = layer + 1 == config().num_hidden_layers && rows_ < tokens_;
    return {tokens_, last ? rows_ : tokens_, last ? device(row_tokens_) : nullptr, device(all_.query_position), rope_positions_ > 0 ? rope_[0].data() : nullptr,
            (last ? predicting_ : all_).plan(device_integers_)};
  }
  const std::int32_t* device(block_range r) const { return device_integers_ + r.begin; }
  detail::head_arguments<scalar> head() const {
    const auto w = model_->table().decoder(static_cast<const scalar*>(model_->weights()));
    return {matrix_of<const scalar>(final_, rows_, config().hidden_size), matrix_of(w.head, config().vocab_size, config().hidden_size),
            row_targets(), normalizer_, memory_};
  }
  detail::row_targets row_targets() const { return {device(target_begin_), device(target_item_), device(target_label_)}; }
  detail::value_head_arguments<scalar> value_head() const {
    const auto w = model_->table().decoder(static_cast<const scalar*>(model_->weights()));
    return {matrix_of<const scalar>(final_, rows_, config().hidden_size), w.value, row_targets(), row_values_};
  }

  void run_forward() {
    B& b = backend();
    const index d = config().hidden_size;
    const auto w = model_->table().decoder(static_cast<const scalar*>(model_->weights()));
    scalar* const x = inputs_[0];
    gather_rows(b, matrix_of(w.embedding, config().vocab_size, d), device(ids_), matrix_of(x, tokens_, d));
    if (w.positions != nullptr)
      b.rows(tokens_, detail::add_gathered_program<scalar>{matrix_of(w.positions, config().max_position_embeddings, d), device(all_.query_position), matrix_of(x, tokens_, d)}, {});
    for (std::size_t i = 0; i < layers(); ++i) run_layer(i);
    if (rows_ == 0) return;
    detail::norm_forward(b, matrix_of(output_, rows_, d), w.final_norm.weight, w.final_norm.bias, static_cast<scalar>(config().norm_epsilon),
                         matrix_of(final_, rows_, d), final_statistics_);
    if (config().vocabulary_head) detail::head_forward(b, head(), outputs_);
    if (config().value_head) detail::value_head_forward(b, value_head(), values_);
  }

  /// Fills the layer's activations, and writes its output to where the next layer reads it.
  void run_layer(std::size_t i) {
    detail::layer_activations<scalar>& a = activations_of(i);
    a.input = inputs_[i];
    const auto w = model_->table().layer(static_cast<const scalar*>(model_->weights()), static_cast<index>(i));
    detail::layer_forward(backend(), config(), w, extent(static_cast<index>(i)), a, scratch_, {}, i + 1 < layers() ? inputs_[i + 1] : output_);
  }

  void run_backward(scalar* gradients, bool entropies) {
    B& b = backend();
    const index d = config().hidden_size;
    const auto w = model_->table().decoder(static_cast<const scalar*>(model_->weights()));
    const auto g = model_->table().decoder(gradients);
    fill(b, scratch_.ones, tokens_ * (config().qk_norm ? config().num_attention_heads : 1), scalar(1));
    const matrix_view<scalar> d_final = matrix_of(scratch_.projected, rows_, d), d_rows = matrix_of(d_rows_, rows_, d);
    if (config().vocabulary_head)
      detail::head_backward(b, head(), {d_logps_, entropies ? d_entropies_ : nullptr, outputs_.entropies}, d_final, matrix_of(g.head, config().vocab_size, d));
    if (config().value_head) detail::value_head_backward(b, value_head(), d_values_, d_final, config().vocabulary_head, g.value);
    detail::norm_backward(b, matrix_of(output_, rows_, d), w.final_norm.weight, final_statistics_, d_final, d_rows, false,
                          g.final_norm.weight, g.final_norm.bias, matrix_of(scratch_.terms, rows_, d), scratch_.ones);
    scalar* dy = d_rows_;
    for (std::size_t i = layers(); i-- > 0;) {
      if (activations_.size() == 1 && i + 1 < layers()) run_layer(i);  // the next layer's input, which this writes again, has the same bits
      const index layer = static_cast<index>(i);
      const detail::layer_extent<scalar> e = extent(layer);
      scalar* const dx = e.row_token != nullptr ? d_stream_ : dy;
      detail::layer_backward(b, config(), model_->table().layer(static_cast<const scalar*>(model_->weights()), layer), e, activations_of(i),
                             scratch_, model_->table().layer(gradients, layer), dy, dx);
      dy = dx;
    }
    const matrix_view<scalar> dx = matrix_of(dy, tokens_, d);
    detail::embedding_backward(b, device(by_id_.key), device(by_id_.begin), device(by_id_.item), by_id_.key.count, dx, matrix_of(g.embedding, config().vocab_size, d));
    if (g.positions != nullptr)
      detail::embedding_backward(b, device(by_position_.key), device(by_position_.begin), device(by_position_.item), by_position_.key.count, dx,
                                 matrix_of(g.positions, config().max_position_embeddings, d));
  }

  const transformer<B>* model_;
  pass_kind kind_;
  pass_options options_;
  pass_limits limits_;
  pass_memory memory_taken_;
  arena<B> arena_;
  std::vector<buffer_of<B, scalar>> rope_;  // one table, or none yet
  index rope_positions_ = 0;

  // the batch on the host, and its arrays within integers_
  integer_block integers_;
  std::vector<std::int32_t> row_token_, token_row_, order_, position_;
  block_range ids_, row_tokens_, target_begin_, target_item_, target_label_;
  attention_ranges all_, predicting_;
  grouping_ranges by_id_, by_position_;
  index tokens_ = 0, rows_ = 0, targets_ = 0, longest_ = 0;
  std::vector<scalar> host_;

  // memory within the arena
  std::int32_t* device_integers_ = nullptr;
  std::vector<scalar*> inputs_;                                 // of each layer; without a backward two take turns
  std::vector<detail::layer_activations<scalar>> activations_;  // of each layer, or of the one that was computed last
  detail::layer_scratch<scalar> scratch_;
  scalar *output_ = nullptr, *final_ = nullptr, *final_statistics_ = nullptr, *normalizer_ = nullptr;
  scalar *d_logps_ = nullptr, *d_entropies_ = nullptr, *d_values_ = nullptr, *d_rows_ = nullptr, *d_stream_ = nullptr;
  scalar *values_ = nullptr, *row_values_ = nullptr;
  detail::head_outputs<scalar> outputs_;
  detail::head_memory<scalar> memory_;
};

}  // namespace tilt
