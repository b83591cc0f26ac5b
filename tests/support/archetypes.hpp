// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <concepts>
#include <tilt/scalar/dual.hpp>

// Types of number that can do what the concepts ask and nothing else: a formula that compiles for them asks for nothing else.
namespace tilt::test {

/// What `real`'s comparisons answer: no bool, so that no `if` and no `?:` can look at it.
struct truth {
  explicit truth(bool b) : holds(b) {}
  bool holds;
};

/// A real number without conversions, whose functions only argument-dependent lookup finds.
class real {
 public:
  real() = default;
  explicit real(double x) : x_(x) {}
  template <class Other> real(Other) = delete;
  double number() const { return x_; }

  friend real operator+(const real& a, const real& b) { return real(a.x_ + b.x_); }
  friend real operator-(const real& a, const real& b) { return real(a.x_ - b.x_); }
  friend real operator*(const real& a, const real& b) { return real(a.x_ * b.x_); }
  friend real operator/(const real& a, const real& b) { return real(a.x_ / b.x_); }
  friend real operator-(const real& a) { return real(-a.x_); }
  friend truth operator<(const real& a, const real& b) { return truth(a.x_ < b.x_); }
  friend truth operator<=(const real& a, const real& b) { return truth(a.x_ <= b.x_); }
  friend truth operator>(const real& a, const real& b) { return truth(a.x_ > b.x_); }
  friend truth operator>=(const real& a, const real& b) { return truth(a.x_ >= b.x_); }
  friend truth operator==(const real& a, const real& b) { return truth(a.x_ == b.x_); }
  friend real select(const truth& t, const real& a, const real& b) { return t.holds ? a : b; }
  friend real exp(const real& a) { return real(std::exp(a.x_)); }
  friend real log(const real& a) { return real(std::log(a.x_)); }
  friend real log1p(const real& a) { return real(std::log1p(a.x_)); }
  friend real expm1(const real& a) { return real(std::expm1(a.x_)); }
  friend real sqrt(const real& a) { return real(std::sqrt(a.x_)); }
  friend real tanh(const real& a) { return real(std::tanh(a.x_)); }
  friend real erf(const real& a) { return real(std::erf(a.x_)); }
  friend real abs(const real& a) { return real(std::abs(a.x_)); }

 private:
  double x_;
};

/// Four numbers side by side: the least that is a packet.
template <class T> class four {
 public:
  using scalar = T;
  static constexpr int size = 4;
  struct mask {
    bool lane[size];
    template <class F> static mask make(F f) { return {{f(0), f(1), f(2), f(3)}}; }
    friend mask operator&(const mask& a, const mask& b) { return make([&](int i) { return a.lane[i] && b.lane[i]; }); }
    friend mask operator|(const mask& a, const mask& b) { return make([&](int i) { return a.lane[i] || b.lane[i]; }); }
    friend mask operator!(const mask& a) { return make([&](int i) { return !a.lane[i]; }); }
  };

  four() = default;
  four(T x) : lane_{x, x, x, x} {}
  template <class Other>
  requires(!std::same_as<Other, T> && !std::same_as<Other, four>)
  four(Other) = delete;
  static four load(const T* p) { return make([p](int i) { return p[i]; }); }
  static four broadcast(T x) { return four(x); }
  static four iota(T first) { return make([first](int i) { return first + static_cast<T>(i); }); }
  static mask first_lanes(int n) { return mask::make([n](int i) { return i < n; }); }
  void store(T* p) const {
    for (int i = 0; i < size; ++i) p[i] = lane_[i];
  }

  friend four operator+(const four& a, const four& b) { return make([&](int i) { return a.lane_[i] + b.lane_[i]; }); }
  friend four operator-(const four& a, const four& b) { return make([&](int i) { return a.lane_[i] - b.lane_[i]; }); }
  friend four operator*(const four& a, const four& b) { return make([&](int i) { return a.lane_[i] * b.lane_[i]; }); }
  friend four operator/(const four& a, const four& b) { return make([&](int i) { return a.lane_[i] / b.lane_[i]; }); }
  friend four operator-(const four& a) { return make([&](int i) { return -a.lane_[i]; }); }
  friend mask operator<(const four& a, const four& b) { return mask::make([&](int i) { return a.lane_[i] < b.lane_[i]; }); }
  friend mask operator<=(const four& a, const four& b) { return mask::make([&](int i) { return a.lane_[i] <= b.lane_[i]; }); }
  friend mask operator>(const four& a, const four& b) { return mask::make([&](int i) { return a.lane_[i] > b.lane_[i]; }); }
  friend mask operator>=(const four& a, const four& b) { return mask::make([&](int i) { return a.lane_[i] >= b.lane_[i]; }); }
  friend mask operator==(const four& a, const four& b) { return mask::make([&](int i) { return a.lane_[i] == b.lane_[i]; }); }
  friend four select(const mask& m, const four& a, const four& b) { return make([&](int i) { return m.lane[i] ? a.lane_[i] : b.lane_[i]; }); }
  friend four multiply_add(const four& a, const four& b, const four& c) {
    return make([&](int i) { return tilt::multiply_add(a.lane_[i], b.lane_[i], c.lane_[i]); });
  }
  friend four exp(const four& a) { return make([&](int i) { return std::exp(a.lane_[i]); }); }
  friend four log(const four& a) { return make([&](int i) { return std::log(a.lane_[i]); }); }
  friend four log1p(const four& a) { return make([&](int i) { return std::log1p(a.lane_[i]); }); }
  friend four expm1(const four& a) { return make([&](int i) { return std::expm1(a.lane_[i]); }); }
  friend four sqrt(const four& a) { return make([&](int i) { return std::sqrt(a.lane_[i]); }); }
  friend four tanh(const four& a) { return make([&](int i) { return std::tanh(a.lane_[i]); }); }
  friend four erf(const four& a) { return make([&](int i) { return std::erf(a.lane_[i]); }); }
  friend four abs(const four& a) { return make([&](int i) { return std::abs(a.lane_[i]); }); }
  friend four min(const four& a, const four& b) { return select(b < a, b, a); }
  friend four max(const four& a, const four& b) { return select(a < b, b, a); }
  friend T reduce_add(const four& a) { return (a.lane_[0] + a.lane_[1]) + (a.lane_[2] + a.lane_[3]); }
  friend T reduce_max(const four& a) { return std::fmax(std::fmax(a.lane_[0], a.lane_[1]), std::fmax(a.lane_[2], a.lane_[3])); }

 private:
  template <class F> static four make(F f) {
    four r;
    for (int i = 0; i < size; ++i) r.lane_[i] = f(i);
    return r;
  }
  T lane_[size];
};

}  // namespace tilt::test

template <> struct tilt::constant_of<tilt::test::real> {
  static tilt::test::real from(double x) { return tilt::test::real(x); }
};
