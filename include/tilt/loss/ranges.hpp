// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>  // std::data and std::size, which <iterator> has with a great deal else
#include <concepts>
#include <cstdio>
#include <string_view>
#include <tilt/exception.hpp>
#include <tilt/scalar/config.hpp>
#include <type_traits>

namespace tilt {

namespace detail {
/// A number as a message says it.
class number_text {
 public:
  explicit number_text(double x) { std::snprintf(text_, sizeof text_, "%.12g", x); }
  explicit number_text(index n) { std::snprintf(text_, sizeof text_, "%td", n); }
  operator std::string_view() const { return text_; }

 private:
  char text_[32];
};

/// Whether a vector or matrix of a linear algebra library, seen by its own words for it, has gaps between its elements.
template <class Range> constexpr bool has_gaps(const Range& r) {
  if constexpr (requires { r.innerStride(), r.outerStride(), r.innerSize(), r.outerSize(); })
    return (r.innerSize() > 1 && r.innerStride() != 1) || (r.outerSize() > 1 && r.outerStride() != r.innerSize());
  else if constexpr (requires { r.is_contiguous(); })
    return !r.is_contiguous();
  else
    return false;
}
template <class Range> constexpr auto first_of(Range& r) {
  if (has_gaps(r)) throw input_error("range: its elements do not lie side by side in memory; give a contiguous copy of it");
  if constexpr (requires { r.data_offset(); })
    return std::data(r) + r.data_offset();
  else
    return std::data(r);
}
}  // namespace detail

/// A caller's contiguous numbers on the host, from anything with data() and size() (std::vector, std::span, an Eigen vector, …) or an
/// array. Does not own them, and lives no longer than they do. Default-constructed: not given.
template <class T> class host_range {
 public:
  constexpr host_range() = default;
  constexpr host_range(T* data, index size) : data_(data), size_(size) {}
  template <class Range>
  requires(!std::same_as<std::remove_cvref_t<Range>, host_range>) && requires(Range& r) {
    { std::data(r) } -> std::convertible_to<T*>;
    std::size(r);
  }
  constexpr host_range(Range&& r) : data_(detail::first_of(r)), size_(static_cast<index>(std::size(r))), given_(true) {}

  constexpr T* data() const { return data_; }
  constexpr index size() const { return size_; }
  constexpr bool given() const { return given_ || data_ != nullptr; }
  constexpr T& operator[](index i) const { return data_[i]; }
  constexpr host_range part(index begin, index count) const { return {data_ + begin, count}; }

 private:
  T* data_ = nullptr;
  index size_ = 0;
  bool given_ = false;  // an empty vector may have no data
};

/// A caller's contiguous integers or truth values of any width: token ids, lengths, masks, labels. (std::vector<bool> is not contiguous.)
class integer_range {
 public:
  constexpr integer_range() = default;
  template <class Range>
  requires(!std::same_as<std::remove_cvref_t<Range>, integer_range>) && requires(Range& r) {
    requires std::integral<std::remove_cvref_t<decltype(*std::data(r))>>;
    std::size(r);
  }
  constexpr integer_range(Range&& r)
      : data_(detail::first_of(r)), size_(static_cast<index>(std::size(r))), read_(&read<std::remove_cvref_t<decltype(*std::data(r))>>) {}

  constexpr index size() const { return size_; }
  constexpr bool given() const { return read_ != nullptr; }
  index operator[](index i) const { return read_(data_, i); }

 private:
  template <class Integer> static index read(const void* data, index i) { return static_cast<index>(static_cast<const Integer*>(data)[i]); }
  const void* data_ = nullptr;
  index size_ = 0;
  index (*read_)(const void*, index) = nullptr;
};

namespace detail {
/// Throws unless a range that was given has as many elements as it must; a required one must be given.
template <class Range> void require_size(const Range& range, index expected, std::string_view name, bool required = false) {
  if (!required && !range.given()) return;
  if (range.size() != expected)
    throw input_error(
        {name, ": it has ", number_text(range.size()), " elements and ", number_text(expected), " are needed; give one for each"});
}
}  // namespace detail

}  // namespace tilt
