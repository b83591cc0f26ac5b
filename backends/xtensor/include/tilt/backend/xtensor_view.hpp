// SPDX-License-Identifier: Apache-2.0
#pragma once
#if __has_include(<xtensor/containers/xtensor.hpp>)  // since 0.26
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/views/xstrided_view.hpp>
#elif __has_include(<xtensor/xtensor.hpp>)
#include <xtensor/xadapt.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xtensor.hpp>
#else
#error "tilt/backend/xtensor_view.hpp needs xtensor (Debian: libxtensor-dev): put its headers on the include path, or use eigen_backend"
#endif
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <tilt/error.hpp>
#include <tilt/tensor/view.hpp>
#include <type_traits>
#include <utility>

namespace tilt {

/// The elements of a view of host memory, for xtensor's functions: as_xtensor(view) = 2 * as_xtensor(other), xt::sum(as_xtensor(view))().
/// An xt::strided_view of an adaptor of the memory: an adaptor alone, when it is assigned to, forgets what strides it had. It lives no
/// longer than the memory, and holds no expression.
template <class T, int Rank> auto as_xtensor(const view<T, Rank>& v) {
  std::array<std::size_t, static_cast<std::size_t>(Rank)> shape;
  std::array<std::ptrdiff_t, static_cast<std::size_t>(Rank)> strides;
  index end = v.size() == 0 ? 0 : 1;
  for (int d = 0; d < Rank; ++d) {
    const auto at = static_cast<std::size_t>(d);
    shape[at] = static_cast<std::size_t>(v.extent[d]);
    strides[at] = v.extent[d] == 1 ? 0 : v.stride[d];  // xtensor stretches a dimension of one element by walking along it
    if (v.size() != 0) end += (v.extent[d] - 1) * v.stride[d];
  }
  using memory = xt::xbuffer_adaptor<T*, xt::no_ownership, std::allocator<std::remove_const_t<T>>>;
  const std::array<std::size_t, 1> length = {static_cast<std::size_t>(end)};
  T* begin = v.data;
  return xt::strided_view(xt::xtensor_adaptor<memory, 1>(memory(begin, length[0]), length), std::move(shape), std::move(strides));
}

/// The elements of an xt::xtensor, xt::xarray, adaptor or strided xt::view that the caller holds, as a view. An expression that xtensor
/// has not computed has no elements, and does not compile. Throws input_error where the dimensions are not Rank or run backwards.
template <int Rank, class Tensor>
requires requires(Tensor& t) { t.data(), t.data_offset(), t.shape(), t.strides(); }
auto view_of(Tensor& tensor) {
  using T = std::remove_pointer_t<decltype(tensor.data())>;
  if (tensor.dimension() != static_cast<std::size_t>(Rank))
    throw input_error("view_of: the tensor has " + std::to_string(tensor.dimension()) + " dimensions and " + std::to_string(Rank) +
                      " are needed; reshape it");
  view<T, Rank> v;
  v.data = tensor.data() + tensor.data_offset();
  index packed = 1;
  for (int d = Rank - 1; d >= 0; --d) {
    const auto at = static_cast<std::size_t>(d);
    v.extent[d] = static_cast<index>(tensor.shape()[at]);
    v.stride[d] = v.extent[d] == 1 ? packed : static_cast<index>(tensor.strides()[at]);  // xtensor writes 0 for one element
    if (v.stride[d] < 0) throw input_error("view_of: a dimension of the tensor runs backwards; give a copy of it");
    packed *= v.extent[d];
  }
  return v;
}

}  // namespace tilt
