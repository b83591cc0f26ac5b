// SPDX-License-Identifier: Apache-2.0
#pragma once
#if !defined(THRUST_DEVICE_SYSTEM) && !defined(__CUDACC__)
#error "tilt/backend/thrust_buffer.hpp: include tilt/backend/thrust.hpp, which says how to choose a device system"
#endif
#include <thrust/device_allocator.h>
#include <thrust/mr/allocator.h>

#include <tilt/scalar/config.hpp>
#include <type_traits>
#include <utility>

namespace tilt {

/// n elements from the device system's memory resource, aligned to a cache line; what is in them at first is unspecified.
template <class U> class thrust_buffer {
  static_assert(std::is_trivially_copyable_v<U> && std::is_trivially_destructible_v<U>);
  using resource = thrust::device_memory_resource;
  using pointer = typename resource::pointer;

 public:
  explicit thrust_buffer(index n) : data_(memory().do_allocate(bytes(n), alignment)), size_(n) {}
  thrust_buffer(thrust_buffer&& other) noexcept : data_(std::exchange(other.data_, pointer())), size_(std::exchange(other.size_, 0)) {}
  thrust_buffer& operator=(thrust_buffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~thrust_buffer() {
    if (data_.get() != nullptr) memory().do_deallocate(data_, bytes(size_), alignment);
  }

  U* data() { return static_cast<U*>(data_.get()); }
  const U* data() const { return static_cast<const U*>(data_.get()); }
  index size() const { return size_; }

 private:
  static constexpr std::size_t alignment = 64;
  static std::size_t bytes(index n) { return static_cast<std::size_t>(n > 0 ? n : 1) * sizeof(U); }
  static resource& memory() { return *thrust::mr::get_global_resource<resource>(); }
  pointer data_;
  index size_;
};

}  // namespace tilt
