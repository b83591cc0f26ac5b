// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <memory>
#include <tilt/tensor/backend.hpp>
#include <utility>

namespace tilt {

/// Bytes that a backend's buffers hold.
struct memory_meter {
  index held = 0;     ///< now
  index highest = 0;  ///< at once, since `restart`

  void restart() { highest = held; }
};

/// A backend's buffer, whose bytes a meter counts from its making to its end.
template <class Buffer, class U> class metered_buffer {
 public:
  metered_buffer(Buffer buffer, std::shared_ptr<memory_meter> meter) : buffer_(std::move(buffer)), meter_(std::move(meter)) {
    meter_->held += bytes();
    meter_->highest = std::max(meter_->highest, meter_->held);
  }
  metered_buffer(metered_buffer&& other) noexcept : buffer_(std::move(other.buffer_)), meter_(std::move(other.meter_)) {}
  metered_buffer& operator=(metered_buffer&& other) noexcept {
    metered_buffer taken(std::move(other));
    std::swap(buffer_, taken.buffer_);
    std::swap(meter_, taken.meter_);
    return *this;
  }
  ~metered_buffer() {
    if (meter_) meter_->held -= bytes();
  }

  U* data() { return buffer_.data(); }
  const U* data() const { return buffer_.data(); }
  index size() const { return static_cast<index>(buffer_.size()); }

 private:
  index bytes() const { return size() * static_cast<index>(sizeof(U)); }

  Buffer buffer_;
  std::shared_ptr<memory_meter> meter_;  // none once moved from
};

/// The backend B, which counts the bytes that its buffers hold: weights, gradients, moments, activations and caches, but neither the host's
/// texts nor B's own scratch. Computes what B does, to the bit. Copies have one meter.
template <class B> class metered_backend : public B {
 public:
  using B::B;

  template <class U> auto allocate(index n) { return metered_buffer<buffer_of<B, U>, U>(B::template allocate<U>(n), meter_); }
  memory_meter& meter() { return *meter_; }
  const memory_meter& meter() const { return *meter_; }

 private:
  std::shared_ptr<memory_meter> meter_ = std::make_shared<memory_meter>();
};

}  // namespace tilt
