// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <span>
#include <string_view>
#include <tilt/optim/adamw.hpp>
#include <tilt/optim/rmsprop.hpp>
#include <tilt/optim/sgd.hpp>
#include <tilt/tensor/elementwise.hpp>
#include <variant>
#include <vector>

namespace tilt {

/// The optimisers as one value, chosen at run time. A further one is a struct with slots(), check() and update().
using optimizer_options = std::variant<adamw, rmsprop, sgd>;

inline std::string_view name_of(const optimizer_options& options) {
  constexpr std::string_view names[] = {"adamw_torch", "rmsprop", "sgd"};
  return names[options.index()];
}

/// An optimiser's options with its moments, which are one flat buffer in the backend's memory, and the number of updates done.
template <backend B> class optimizer {
  using T = typename B::scalar;

 public:
  /// `size` parameters, of which the first `decayed` are subject to weight decay.
  optimizer(B& backend, const optimizer_options& options, index size, index decayed)
      : backend_(&backend),
        options_(options),
        size_(size),
        decayed_(decayed),
        moments_(backend.template allocate<T>(std::max<index>(moment_count(), 1))) {
    std::visit([](const auto& chosen) { chosen.check(); }, options_);
    fill(backend, moments_.data(), moment_count(), T(0));
  }

  const optimizer_options& options() const { return options_; }

  /// One update of `weights` by `gradients` under gradient_norm's control; touches nothing where that says "not finite", and must
  /// then be taken back from the count with `uncount`, since only the host knows how to read the flag.
  void update(T* weights, const T* gradients, const T* control, double learning_rate) {
    ++count_;
    const update_buffers<T> buffers{weights, gradients, moments_.data(), size_, decayed_, control};
    std::visit([&](const auto& chosen) { chosen.update(*backend_, buffers, learning_rate, count_); }, options_);
  }
  void uncount() { --count_; }

  /// What a checkpoint holds.
  index count() const { return count_; }
  index moment_count() const {
    return size_ * std::visit([](const auto& chosen) { return chosen.slots(); }, options_);
  }
  std::vector<T> moments() const {
    std::vector<T> host(static_cast<std::size_t>(moment_count()));
    backend_->copy_out(static_cast<const T*>(moments_.data()), moment_count(), host.data());
    return host;
  }
  void restore(std::span<const T> moments, index count) {
    if (static_cast<index>(moments.size()) != moment_count())
      throw input_error("checkpoint: its optimiser has " + std::to_string(moments.size()) + " moments and this one " +
                        std::to_string(moment_count()) + "; resume with the same model and optim");
    backend_->copy_in(moments.data(), moment_count(), moments_.data());
    count_ = count;
  }

 private:
  B* backend_;
  optimizer_options options_;
  index size_, decayed_, count_ = 0;
  buffer_of<B, T> moments_;
};

}  // namespace tilt
