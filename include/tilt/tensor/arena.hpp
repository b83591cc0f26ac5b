// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <optional>
#include <tilt/error.hpp>
#include <tilt/tensor/backend.hpp>

namespace tilt {

namespace detail {
/// Every block begins on a cache line, which is also the widest packet.
inline constexpr index arena_alignment = 64;

inline constexpr index padded_bytes(index count, index size) {
  return (count * size + arena_alignment - 1) / arena_alignment * arena_alignment;
}
}  // namespace detail

/// Counts what an arena would hand out; its pointers are null. Running the code that lays out a step's memory with one of these
/// gives the size that the step needs.
class arena_plan {
 public:
  template <class U> U* take(index count) {
    used_ += detail::padded_bytes(count, static_cast<index>(sizeof(U)));
    peak_ = std::max(peak_, used_);
    return nullptr;
  }
  index mark() const { return used_; }
  void release(index mark) { used_ = mark; }
  index bytes() const { return peak_; }

 private:
  index used_ = 0, peak_ = 0;
};

/// One block of a backend's memory, handed out from the front: all of a step's activations and scratch. `take` is a few
/// instructions and never allocates; `reserve` does, and forgets what was taken.
template <backend B> class arena {
 public:
  explicit arena(B& backend) : backend_(&backend) {}

  void reserve(index bytes) {
    if (bytes > capacity_) {
      block_.reset();
      block_.emplace(backend_->template allocate<std::byte>(bytes + detail::arena_alignment));
      capacity_ = bytes;
    }
    used_ = 0;
  }
  template <class U> U* take(index count) {
    const index bytes = detail::padded_bytes(count, static_cast<index>(sizeof(U)));
    if (used_ + bytes > capacity_) throw error("arena: more memory was taken than was reserved");
    U* const block = reinterpret_cast<U*>(aligned() + used_);
    used_ += bytes;
    return block;
  }
  index mark() const { return used_; }
  void release(index mark) { used_ = mark; }
  index capacity() const { return capacity_; }

 private:
  std::byte* aligned() {
    const auto address = reinterpret_cast<std::uintptr_t>(block_->data());
    const auto unit = static_cast<std::uintptr_t>(detail::arena_alignment);
    return block_->data() + static_cast<index>((unit - address % unit) % unit);
  }

  B* backend_;
  std::optional<buffer_of<B, std::byte>> block_;
  index capacity_ = 0, used_ = 0;
};

}  // namespace tilt
