// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <concepts>
#include <cstring>
#include <limits>
#include <tilt/backend/vector_register.hpp>
#include <utility>

namespace tilt {

/// A SIMD packet on the vector extensions of GCC and clang, with elementary functions of its own, for backends whose library has no
/// packets: as many numbers as the build's instruction set holds in a register. Models `packet`; exp and log are within 1.1 units in the
/// last place and the others within 2.6 (measured), over the whole line, subnormal numbers, infinities and NaN included. No branches, no tables.
template <class T>
requires std::same_as<T, float> || std::same_as<T, double>
class vector_packet {
  using registers = detail::vector_register<T>;
  using bits = typename registers::bits;
  using word = typename registers::word;
  using constants = detail::vector_constants<T>;

 public:
  using scalar = T;
  using native = typename registers::native;
  static constexpr int size = static_cast<int>(sizeof(native) / sizeof(T));

  /// The lanes in which a comparison held: all bits set there, none elsewhere.
  struct mask {
    decltype(native{} < native{}) lanes;
    friend mask operator&(mask a, mask b) { return {a.lanes & b.lanes}; }
    friend mask operator|(mask a, mask b) { return {a.lanes | b.lanes}; }
    friend mask operator!(mask a) { return {~a.lanes}; }
  };

  vector_packet() = default;
  vector_packet(T value) : x_(value - native{}) {}  // x − 0 is x, −0 included

  static vector_packet load(const T* p) {
    vector_packet a;
    std::memcpy(&a.x_, p, sizeof(native));
    return a;
  }
  static vector_packet broadcast(T value) { return vector_packet(value); }
  /// first, first + 1, first + 2, …
  static vector_packet iota(T first) { return load(counting.lane) + vector_packet(first); }
  static mask first_lanes(int n) { return load(counting.lane) < vector_packet(static_cast<T>(n)); }
  void store(T* p) const { std::memcpy(p, &x_, sizeof(native)); }

  /// A size × size block, rows and columns exchanged: halves, then quarters, … of pairs of rows change places.
  static void transpose(vector_packet* rows) { exchange<size / 2>(rows); }

  friend vector_packet operator+(vector_packet a, vector_packet b) { return wrap(a.x_ + b.x_); }
  friend vector_packet operator-(vector_packet a, vector_packet b) { return wrap(a.x_ - b.x_); }
  friend vector_packet operator*(vector_packet a, vector_packet b) { return wrap(a.x_ * b.x_); }
  friend vector_packet operator/(vector_packet a, vector_packet b) { return wrap(a.x_ / b.x_); }
  friend vector_packet operator-(vector_packet a) { return wrap(-a.x_); }
  vector_packet& operator+=(vector_packet b) { return *this = *this + b; }
  vector_packet& operator-=(vector_packet b) { return *this = *this - b; }
  vector_packet& operator*=(vector_packet b) { return *this = *this * b; }
  vector_packet& operator/=(vector_packet b) { return *this = *this / b; }

  friend mask operator<(vector_packet a, vector_packet b) { return {a.x_ < b.x_}; }
  friend mask operator<=(vector_packet a, vector_packet b) { return {a.x_ <= b.x_}; }
  friend mask operator>(vector_packet a, vector_packet b) { return {a.x_ > b.x_}; }
  friend mask operator>=(vector_packet a, vector_packet b) { return {a.x_ >= b.x_}; }
  friend mask operator==(vector_packet a, vector_packet b) { return {a.x_ == b.x_}; }

  friend vector_packet select(mask m, vector_packet a, vector_packet b) { return wrap(m.lanes ? a.x_ : b.x_); }
  /// a·b + c, fused where the scalar multiply_add is.
  friend vector_packet multiply_add(vector_packet a, vector_packet b, vector_packet c) { return wrap(detail::fused(a.x_, b.x_, c.x_)); }
  friend vector_packet min(vector_packet a, vector_packet b) { return select(b < a, b, a); }
  friend vector_packet max(vector_packet a, vector_packet b) { return select(a < b, b, a); }
  friend vector_packet abs(vector_packet a) { return wrap(as_number(as_bits(a.x_) & ~sign)); }
  friend vector_packet sqrt(vector_packet a) { return wrap(detail::square_root(a.x_)); }

  /// x = k·log 2 + r: eˣ = 2ᵏ(1 + r + r²p(r)). 2ᵏ goes in as two factors, so that results become subnormal, 0 or infinite where they should.
  friend vector_packet exp(vector_packet x) {
    const reduced a(max(min(x, constants::exp_high), constants::exp_low));
    const bits half = (a.k + (word(2) * word(constants::bias))) >> 1;  // k + 2·bias > 0, so this shift of an unsigned number halves
    const vector_packet y = a.expm1() + T(1);
    return y * power_of_2(half - word(constants::bias)) * power_of_2(a.k + word(constants::bias) - half);
  }
  /// 2ᵏ(eʳ − 1) + (2ᵏ − 1), computed with 2ᵏ⁻¹, which does not overflow before the result does.
  friend vector_packet expm1(vector_packet x) {
    const reduced a(max(min(x, constants::expm1_high), constants::expm1_low));
    const vector_packet half = power_of_2(a.k - word(1)), y = multiply_add(half, a.expm1(), half - T(0.5));
    return select(abs(x) < vector_packet(std::numeric_limits<T>::epsilon() / 2), x, y + y);
  }
  friend vector_packet log(vector_packet x) {
    const mask tiny = x < vector_packet(std::numeric_limits<T>::min());  // subnormal numbers are scaled up
    const T scale = static_cast<T>(word(1) << (constants::digits + 1));
    const vector_packet shift = select(tiny, T(-(constants::digits + 1)), T(0));
    return logarithm(select(tiny, x * scale, x), shift, T(0), x);
  }
  /// log u with u = 1 + x rounded, and what rounding lost, over u, added to it.
  friend vector_packet log1p(vector_packet x) {
    const vector_packet u = x + T(1), large = x - (u - T(1)), small = T(1) - (u - x);
    return logarithm(u, T(0), select(u < vector_packet(T(2)), large, small) / u, u, &x);
  }
  /// −u/(u + 2) with u = e^(−2|x|) − 1.
  friend vector_packet tanh(vector_packet x) {
    const vector_packet u = expm1(abs(x) * T(-2));
    return with_sign_of(-u / (u + T(2)), x);
  }
  friend vector_packet erf(vector_packet x) {
    const vector_packet a = abs(x), y = min(a, constants::erf_end), t = (y - T(2)) / (y + T(2));
    const vector_packet far = T(1) - exp(-(y * y)) * polynomial(constants::erf_far, t);
    return select(a < vector_packet(T(1)), x * polynomial(constants::erf_near, x * x), with_sign_of(far, x));
  }

  /// The sum of the lanes, halves first: lane i + lane i + size/2, and so on.
  friend T reduce_add(vector_packet a) {
    return fold<size / 2>(a, [](vector_packet x, vector_packet y) { return x + y; });
  }
  friend T reduce_max(vector_packet a) {
    return fold<size / 2>(a, [](vector_packet x, vector_packet y) { return max(x, y); });
  }

 private:
  struct counted {
    T lane[size];
    constexpr counted() : lane() {
      for (int i = 0; i < size; ++i) lane[i] = static_cast<T>(i);
    }
  };
  static constexpr counted counting{};
  static constexpr word sign = word(1) << (8 * sizeof(T) - 1);

  static vector_packet wrap(native x) {
    vector_packet p;
    p.x_ = x;
    return p;
  }
  static bits as_bits(native x) { return reinterpret_cast<bits>(x); }
  static native as_number(bits b) { return reinterpret_cast<native>(b); }
  static word as_bits_of(T x) { return std::bit_cast<word>(x); }
  static vector_packet with_sign_of(vector_packet a, vector_packet s) {
    return wrap(as_number((as_bits(a.x_) & ~sign) | (as_bits(s.x_) & sign)));
  }
  /// 2ᵏ for k within the range of normal numbers.
  static vector_packet power_of_2(bits k) { return wrap(as_number((k + word(constants::bias)) << constants::digits)); }

  template <int N> static vector_packet polynomial(const T (&coefficient)[N], vector_packet x) {
    vector_packet y = coefficient[0];
    for (int i = 1; i < N; ++i) y = multiply_add(y, x, coefficient[i]);
    return y;
  }

  /// x as k·log 2 + r with |r| ≤ ½ log 2; log 2 in two parts, of which the first times k is exact.
  struct reduced {
    bits k;
    vector_packet r;
    explicit reduced(vector_packet x) {
      const vector_packet magic(constants::round_to_integer);
      const vector_packet shifted = multiply_add(x, T(1.4426950408889634), magic), whole = shifted - magic;
      k = as_bits(shifted.x_) - as_bits_of(constants::round_to_integer);
      r = multiply_add(whole, -constants::log2_low, multiply_add(whole, -constants::log2_high, x));
    }
    vector_packet expm1() const { return multiply_add(r * r, polynomial(constants::exponential, r), r); }
  };

  /// log x + shift·log 2 + correction for a positive normal x = 2ᵉ(1 + f): e·log 2 + f − (f²/2 − s(f²/2 + s²R(s²))), s = f/(2 + f).
  /// `domain` is the argument that decides what is NaN and infinite; `exact`, if given, is f where e is 0.
  static vector_packet logarithm(vector_packet x, vector_packet shift, vector_packet correction, vector_packet domain,
                                 const vector_packet* exact = nullptr) {
    constexpr word root = sizeof(T) == 4 ? word(0x3f3504f3) : word(0x3fe6a09e667f3bcd);  // √½
    const bits above = as_bits(x.x_) + (as_bits_of(T(1)) - root);
    const bits exponent = (above >> constants::digits) + (as_bits_of(constants::round_to_integer) - word(constants::bias));
    const vector_packet e = wrap(as_number(exponent)) - vector_packet(constants::round_to_integer) + shift;
    vector_packet f = wrap(as_number((above & ((word(1) << constants::digits) - 1)) + root)) - T(1);
    if (exact != nullptr) {
      const mask near = e == vector_packet(T(0));
      f = select(near, *exact, f);
      correction = select(near, T(0), correction);
    }
    const vector_packet s = f / (f + T(2)), z = s * s, half = f * f * T(0.5);
    const vector_packet rest =
        multiply_add(s, multiply_add(z, polynomial(constants::logarithm, z), half), multiply_add(e, constants::log2_low, correction));
    const vector_packet y = multiply_add(e, constants::log2_high, f - (half - rest));
    const T infinity = std::numeric_limits<T>::infinity();
    const vector_packet low = select(domain == vector_packet(T(0)), -infinity, std::numeric_limits<T>::quiet_NaN());
    return select(domain > vector_packet(T(0)), select(domain == vector_packet(infinity), domain, y), low);
  }

  template <int D> static void exchange(vector_packet* rows) {
    for (int i = 0; i < size; ++i)
      if ((i & D) == 0) exchange<D>(rows[i].x_, rows[i + D].x_, std::make_integer_sequence<int, size>{});
    if constexpr (D > 1) exchange<D / 2>(rows);
  }
  template <int D, int... J> static void exchange(native& a, native& b, std::integer_sequence<int, J...>) {
    const native low = __builtin_shufflevector(a, b, ((J & D) != 0 ? size + J - D : J)...);
    b = __builtin_shufflevector(a, b, ((J & D) != 0 ? size + J : J + D)...);
    a = low;
  }
  template <int D, class Combine> static T fold(vector_packet a, const Combine& combine) {
    const vector_packet both = combine(a, rotated<D>(a, std::make_integer_sequence<int, size>{}));
    if constexpr (D > 1)
      return fold<D / 2>(both, combine);
    else
      return both.x_[0];
  }
  template <int D, int... J> static vector_packet rotated(vector_packet a, std::integer_sequence<int, J...>) {
    return wrap(__builtin_shufflevector(a.x_, a.x_, (J ^ D)...));
  }

  native x_;
};

}  // namespace tilt
