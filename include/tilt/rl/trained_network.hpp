// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <tilt/model/pass.hpp>
#include <tilt/optim/gradient_norm.hpp>
#include <tilt/optim/optimizer.hpp>
#include <tilt/train/options.hpp>
#include <vector>

namespace tilt {

/// A model with all that an update of it takes: a pass with gradient, the gradient, its norm, an optimiser. The model must outlive it.
template <class B> class trained_network {
 public:
  using T = typename B::scalar;

  trained_network(transformer<B>& model, const training_options& options)
      : model_(&model), pass_(model, pass_kind::training, {.gradient_checkpointing = options.gradient_checkpointing}), gradients_(model.backend().template allocate<T>(model.size())),
        norm_(model.backend(), model.size()), optimizer_(model.backend(), options.optimizer(), model.size(), model.decayed_size()) {}

  transformer<B>& model() const { return *model_; }
  pass<B>& training() { return pass_; }
  index updates() const { return optimizer_.count(); }

  void clear_gradient() { fill(model_->backend(), gradients_.data(), model_->size(), T(0)); }
  void backward(const target_slopes<T>& slopes) { pass_.backward(slopes, gradients_.data()); }
  const T* gradients() const { return gradients_.data(); }
  /// Norm of the gradient before it is clipped to max_norm (0: it is not), and whether all is finite.
  typename gradient_norm<B>::reading measure(double max_norm, bool loss_is_finite) {
    norm_.measure(gradients_.data(), max_norm, loss_is_finite);
    return norm_.read();
  }
  void update(double learning_rate) { optimizer_.update(model_->weights(), gradients_.data(), norm_.control(), learning_rate); }

  /// Appends weights and moments, flat.
  void append_state(std::vector<T>& weights, std::vector<T>& moments) const {
    const std::size_t begin = weights.size();
    weights.resize(begin + static_cast<std::size_t>(model_->size()));
    model_->backend().copy_out(static_cast<const transformer<B>*>(model_)->weights(), model_->size(), weights.data() + begin);
    const std::vector<T> own = optimizer_.moments();
    moments.insert(moments.end(), own.begin(), own.end());
  }
  /// Takes them from the front of both ranges. Throws input_error where there are too few.
  void restore(std::span<const T>& weights, std::span<const T>& moments, index count, const std::string& origin) {
    const auto size = static_cast<std::size_t>(model_->size()), slots = static_cast<std::size_t>(optimizer_.moment_count());
    if (weights.size() < size || moments.size() < slots)
      throw input_error(origin + ": its models have other sizes; resume with the same models");
    optimizer_.restore(moments.first(slots), count);
    model_->backend().copy_in(weights.data(), model_->size(), model_->weights());
    weights = weights.subspan(size);
    moments = moments.subspan(slots);
  }

 private:
  transformer<B>* model_;
  pass<B> pass_;
  buffer_of<B, T> gradients_;
  gradient_norm<B> norm_;
  tilt::optimizer<B> optimizer_;
};

}  // namespace tilt
