// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <memory>
#include <span>
#include <tilt/model/parameters.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/tensor/elementwise.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace tilt {

/// A decoder-only language model: a config and one flat buffer of weights in a backend's memory. What it computes is a `pass`.
/// The backend must outlive it. Movable, not copyable; `clone` copies the weights. Its weights may also lie elsewhere, to be read alone.
template <class B> class transformer {
  static_assert(require_backend<B>::value);

 public:
  using backend_type = B;
  using scalar = typename B::scalar;

  /// All weights 0; throws input_error if the config does not describe a decoder.
  transformer(B& backend, const model_config& config)
      : backend_(&backend), config_((config.check(), config)), table_(config), weights_(backend.template allocate<scalar>(table_.size())) {
    fill(backend, weights_.data(), size(), scalar(0));
  }

  /// Weights that lie elsewhere, as in a mapped file: tensor i of `parameters()` begins at tensors[i], in memory of the backend's kind.
  /// They stay there as long as `owner`, and are read alone: what would change them throws `error`. Nothing is copied.
  transformer(B& backend, const model_config& config, std::span<const scalar* const> tensors, std::shared_ptr<const void> owner)
      : backend_(&backend),
        config_((config.check(), config)),
        table_(config),
        weights_(backend.template allocate<scalar>(0)),
        elsewhere_(tensors.front()),
        owner_(std::move(owner)) {
    std::vector<index> offsets;
    for (const scalar* const tensor : tensors) offsets.push_back(tensor - elsewhere_);
    table_.place(offsets);
  }

  /// A copy with weights of its own.
  transformer clone() const {
    transformer twin(*backend_, config_);
    for (std::size_t i = 0; i < parameters().size(); ++i) {
      const parameter &from = parameters()[i], &to = twin.parameters()[i];
      copy(*backend_, weights() + from.offset, twin.weights() + to.offset, to.count);
    }
    return twin;
  }

  const model_config& config() const { return config_; }
  B& backend() const { return *backend_; }

  /// Every tensor with its name, shape and place in the flat buffer.
  std::span<const parameter> parameters() const { return table_.parameters(); }
  /// Number of weights; those to which weight decay applies come first.
  index size() const { return table_.size(); }
  index decayed_size() const { return table_.decayed_size(); }

  /// Whether its weights lie elsewhere.
  bool read_only() const { return elsewhere_ != nullptr; }
  scalar* weights() {
    if (read_only()) throw error("transformer: its weights are to be read alone; change those of a clone");
    return weights_.data();
  }
  const scalar* weights() const { return read_only() ? elsewhere_ : weights_.data(); }
  const detail::parameter_table& table() const { return table_; }

  /// Sets one tensor from values in the file's layout; they are rounded to the backend's scalar. Allocates.
  template <class Value> void set(const parameter& p, std::span<const Value> values) {
    if (static_cast<index>(values.size()) != p.count) throw error("transformer: " + p.name + " has " + std::to_string(p.count) + " values");
    if constexpr (std::is_same_v<Value, scalar>)
      if (!p.transposed) return backend_->copy_in(values.data(), p.count, weights() + p.offset);
    std::vector<scalar> own(values.size());
    reorder(p, values.data(), own.data(), true);
    backend_->copy_in(own.data(), p.count, weights() + p.offset);
  }

  /// One tensor of a flat buffer (the weights, or gradients or moments of the same layout) in the file's layout. Allocates.
  std::vector<scalar> get(const parameter& p, const scalar* flat) const {
    std::vector<scalar> own(static_cast<std::size_t>(p.count));
    backend_->copy_out(flat + p.offset, p.count, own.data());
    if (!p.transposed) return own;
    std::vector<scalar> values(own.size());
    reorder(p, own.data(), values.data(), false);
    return values;
  }
  std::vector<scalar> get(const parameter& p) const { return get(p, weights()); }

  /// Matrices from N(0, initializer_range²), norms 1, biases 0, as transformers initialises (which makes GPT-2's projections into the
  /// residual stream smaller; here they are as the others). Element i of tensor t is draw i of stream t: the values depend on the seed alone.
  void initialize(std::uint64_t seed) {
    std::uint64_t stream = 0;
    for (const parameter& p : parameters()) {
      std::vector<double> values(static_cast<std::size_t>(p.count), p.name.ends_with("bias") ? 0.0 : 1.0);
      if (p.decays) {
        const philox draws(seed, stream);
        for (index i = 0; i < p.count; ++i) values[static_cast<std::size_t>(i)] = config_.initializer_range * normal(draws, static_cast<std::uint64_t>(i));
      }
      set(p, std::span<const double>(values));
      ++stream;
    }
  }

 private:
  /// Copies between the file's layout and ours, which differ by a transposition where p says so.
  template <class From, class To> static void reorder(const parameter& p, const From* from, To* to, bool from_file) {
    if (!p.transposed) {
      for (index i = 0; i < p.count; ++i) to[i] = static_cast<To>(from[i]);
      return;
    }
    const index in = p.shape[0], out = p.shape[1];
    for (index i = 0; i < in; ++i)
      for (index o = 0; o < out; ++o) {
        const index file = i * out + o, own = o * in + i;
        if (from_file) to[own] = static_cast<To>(from[file]);
        else to[file] = static_cast<To>(from[own]);
      }
  }

  B* backend_;
  model_config config_;
  detail::parameter_table table_;
  buffer_of<B, scalar> weights_;  // none where they lie elsewhere
  const scalar* elsewhere_ = nullptr;
  std::shared_ptr<const void> owner_;
};

}  // namespace tilt
