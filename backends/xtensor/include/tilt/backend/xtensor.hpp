// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/backend/xtensor_packet.hpp>
#include <tilt/backend/xtensor_view.hpp>
#include <tilt/tensor/packet_backend.hpp>

namespace tilt {

/// What xtensor_backend allocates: a tensor of xtensor's, of one dimension, that begins on a cache line.
template <class U>
using xtensor_buffer = xt::xtensor_container<xt::uvector<U, xsimd::aligned_allocator<U, 64>>, 1, xt::layout_type::row_major>;

/// Runs on the CPU, on xsimd's packets, in xtensor's containers; needs xtensor 0.24 and xsimd 8 or later, headers only. xtensor itself is
/// used for storage and views. Its lazy expressions are not: one holds references to what it was made of, so none may leave a function.
template <class T, class Product = packed_product> class xtensor_backend : public packet_backend<xtensor_packet<T>> {
 public:
  static constexpr const char* name = "xtensor";
  using packet_backend<xtensor_packet<T>>::packet_backend;

  template <class U> xtensor_buffer<U> allocate(index n) { return xtensor_buffer<U>({static_cast<std::size_t>(n)}, U{}); }
};

}  // namespace tilt
