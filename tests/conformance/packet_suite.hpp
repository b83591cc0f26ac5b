// SPDX-License-Identifier: Apache-2.0
// What every packet type must do. A program of it is a file of three lines:
//
//   #include <tilt/backend/mine_packet.hpp>
//   #define TILT_TESTED tilt::my_packet<float>, "my packet float"
//   #include <conformance/packet_suite.hpp>
#define TILT_TESTED_TYPE(type, name) type
#define TILT_TESTED_NAME(type, name) name
#define TILT_EXPAND(macro, ...) macro(__VA_ARGS__)
using tested_packet = TILT_EXPAND(TILT_TESTED_TYPE, TILT_TESTED);
#define TILT_TESTED_AS TILT_EXPAND(TILT_TESTED_NAME, TILT_TESTED) ": "

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <support/catch.hpp>
#include <support/tolerance.hpp>
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/packet.hpp>
#include <vector>

static_assert(tilt::packet<tested_packet>);

namespace tilt::test {

using packet_scalar = tested_packet::scalar;
using lanes = std::array<packet_scalar, tested_packet::size>;

inline lanes unpack(tested_packet p) {
  lanes x;
  p.store(x.data());
  return x;
}
inline lanes unpack(tested_packet::mask m) { return unpack(select(m, tested_packet(packet_scalar(1)), tested_packet(packet_scalar(0)))); }

/// Every lane of a packet operation against the scalar one, for pairs of awkward and random numbers.
template <class Packet, class Scalar> void check_lanes(const Packet& packet, const Scalar& scalar) {
  using limits = std::numeric_limits<packet_scalar>;
  std::vector<packet_scalar> numbers = {0,
                                        packet_scalar(-0.0),
                                        1,
                                        -1,
                                        limits::infinity(),
                                        -limits::infinity(),
                                        limits::quiet_NaN(),
                                        limits::min(),
                                        limits::denorm_min(),
                                        limits::max(),
                                        limits::lowest()};
  std::mt19937 random(1);
  std::uniform_real_distribution<packet_scalar> uniform(-10, 10);
  for (int i = 0; i < 9; ++i) numbers.push_back(uniform(random));
  bool same = true;
  for (packet_scalar x : numbers)
    for (packet_scalar y : numbers) {
      lanes a, b;
      for (int j = 0; j < tested_packet::size; ++j)
        a[static_cast<std::size_t>(j)] = j % 2 ? x : y, b[static_cast<std::size_t>(j)] = j % 2 ? y : x;
      const lanes c = unpack(packet(tested_packet::load(a.data()), tested_packet::load(b.data())));
      for (std::size_t j = 0; j < c.size(); ++j) {
        const packet_scalar expected = static_cast<packet_scalar>(scalar(a[j], b[j]));
        same = same && (c[j] == expected || (std::isnan(c[j]) && std::isnan(expected)));
      }
    }
  CHECK(same);
}

/// The distance between a result and the true value, in units in the last place of the true value.
inline double distance_in_ulp(packet_scalar got, long double exact) {
  using limits = std::numeric_limits<packet_scalar>;
  const packet_scalar rounded = static_cast<packet_scalar>(exact);
  if (std::isnan(rounded) || std::isinf(rounded) || !std::isfinite(got))
    return got == rounded || (std::isnan(got) && std::isnan(rounded)) ? 0 : 1e9;
  int exponent;
  std::frexp(rounded, &exponent);
  const long double unit = std::max(std::ldexp(1.0L, exponent - limits::digits), static_cast<long double>(limits::denorm_min()));
  return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / unit);
}

/// f against the same in long double: evenly over [low, high], over all magnitudes in it, and at the ends of the line.
template <class F, class Exact> void check_function(const F& f, const Exact& exact, double low, double high, double allowed_ulp) {
  using limits = std::numeric_limits<packet_scalar>;
  std::vector<packet_scalar> at = {0,
                                   1,
                                   -1,
                                   limits::infinity(),
                                   -limits::infinity(),
                                   limits::quiet_NaN(),
                                   limits::min(),
                                   -limits::min(),
                                   limits::max(),
                                   limits::lowest(),
                                   limits::denorm_min(),
                                   1000 * limits::denorm_min(),
                                   -limits::denorm_min()};
  for (int i = 0; i <= 20000; ++i) at.push_back(static_cast<packet_scalar>(low + (high - low) * i / 20000));
  std::mt19937 random(2);
  std::uniform_real_distribution<double> exponent(limits::min_exponent - limits::digits, limits::max_exponent);
  for (int i = 0; i < 10000; ++i) at.push_back(static_cast<packet_scalar>((i % 2 ? 1 : -1) * std::exp2(exponent(random))));
  at.resize((at.size() + tested_packet::size - 1) / tested_packet::size * tested_packet::size);
  double worst = 0;
  packet_scalar where = 0, got = 0;
  for (std::size_t i = 0; i < at.size(); i += tested_packet::size) {
    const lanes y = unpack(f(tested_packet::load(at.data() + i)));
    for (std::size_t j = 0; j < y.size(); ++j)
      if (const double error = distance_in_ulp(y[j], exact(static_cast<long double>(at[i + j]))); error > worst)
        worst = error, where = at[i + j], got = y[j];
  }
  INFO("worst at " << where << ": " << got << " against " << exact(static_cast<long double>(where)));
  CHECK(worst <= allowed_ulp);
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "loads, stores, lanes") {
  using namespace tilt::test;
  lanes x, iota, first;
  for (std::size_t j = 0; j < x.size(); ++j)
    x[j] = static_cast<packet_scalar>(10 * j + 1), iota[j] = packet_scalar(5) + static_cast<packet_scalar>(j);
  CHECK(unpack(tested_packet::load(x.data())) == x);
  CHECK(unpack(tested_packet::iota(packet_scalar(5))) == iota);
  std::vector<packet_scalar> shifted(x.size() + 2, packet_scalar(7));  // no alignment is asked for
  tested_packet::load(x.data()).store(shifted.data() + 1);
  CHECK(shifted.front() == 7);
  CHECK(shifted.back() == 7);
  CHECK(unpack(tested_packet::load(shifted.data() + 1)) == x);
  for (int n = 0; n <= tested_packet::size; ++n) {
    for (std::size_t j = 0; j < x.size(); ++j) first[j] = static_cast<int>(j) < n ? packet_scalar(1) : packet_scalar(0);
    CHECK(unpack(tested_packet::first_lanes(n)) == first);
  }
  x.fill(packet_scalar(2.5));
  CHECK(unpack(tested_packet::broadcast(packet_scalar(2.5))) == x);
  CHECK(unpack(tilt::constant<tested_packet>(2.5)) == x);
}

TEST_CASE(TILT_TESTED_AS "arithmetic and comparisons are the scalar's, awkward numbers included") {
  using namespace tilt::test;
  using P = tested_packet;
  using T = packet_scalar;
  check_lanes([](P a, P b) { return a + b; }, [](T a, T b) { return a + b; });
  check_lanes([](P a, P b) { return a - b; }, [](T a, T b) { return a - b; });
  check_lanes([](P a, P b) { return a * b; }, [](T a, T b) { return a * b; });
  check_lanes([](P a, P b) { return a / b; }, [](T a, T b) { return a / b; });
  check_lanes([](P a, P) { return -a; }, [](T a, T) { return -a; });
  check_lanes([](P a, P) { return abs(a); }, [](T a, T) { return std::abs(a); });
  check_lanes([](P a, P b) { return multiply_add(a, b, P(T(0.1))); }, [](T a, T b) { return tilt::multiply_add(a, b, T(0.1)); });
  check_lanes([](P a, P b) { return a < b; }, [](T a, T b) { return a < b; });
  check_lanes([](P a, P b) { return a <= b; }, [](T a, T b) { return a <= b; });
  check_lanes([](P a, P b) { return a > b; }, [](T a, T b) { return a > b; });
  check_lanes([](P a, P b) { return a >= b; }, [](T a, T b) { return a >= b; });
  check_lanes([](P a, P b) { return a == b; }, [](T a, T b) { return a == b; });
  check_lanes([](P a, P b) { return (a < b) & (a < P(T(0))); }, [](T a, T b) { return a < b && a < 0; });
  check_lanes([](P a, P b) { return (a < b) | (a < P(T(0))); }, [](T a, T b) { return a < b || a < 0; });
  check_lanes([](P a, P b) { return !(a < b); }, [](T a, T b) { return !(a < b); });
  check_lanes([](P a, P b) { return select(a < b, a, b); }, [](T a, T b) { return a < b ? a : b; });
  check_lanes([](P a, P b) { return min(a, b); }, [](T a, T b) { return std::min(a, b); });
  check_lanes([](P a, P b) { return max(a, b); }, [](T a, T b) { return std::max(a, b); });
}

TEST_CASE(TILT_TESTED_AS "reductions take every lane") {
  using namespace tilt::test;
  for (int j = 0; j < tested_packet::size; ++j) {
    lanes x;
    packet_scalar sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] = static_cast<packet_scalar>(i) - 20;
    x[static_cast<std::size_t>(j)] += 100, sum += 100;
    CHECK(reduce_add(tested_packet::load(x.data())) == sum);
    CHECK(reduce_max(tested_packet::load(x.data())) == x[static_cast<std::size_t>(j)]);
  }
}

TEST_CASE(TILT_TESTED_AS "elementary functions, over the whole line") {
  using namespace tilt::test;
  using P = tested_packet;
  using R = long double;
  const double far = sizeof(packet_scalar) == 4 ? 110 : 760;
  check_function([](P x) { return exp(x); }, [](R x) { return std::exp(x); }, -far, far, 6);
  check_function([](P x) { return exp(x); }, [](R x) { return std::exp(x); }, -2, 2, 6);
  check_function([](P x) { return log(x); }, [](R x) { return std::log(x); }, 0, 4, 3);
  check_function([](P x) { return log1p(x); }, [](R x) { return std::log1p(x); }, -1, 2, 5);
  check_function([](P x) { return expm1(x); }, [](R x) { return std::expm1(x); }, -far, far, 6);
  check_function([](P x) { return expm1(x); }, [](R x) { return std::expm1(x); }, -1, 1, 6);
  check_function([](P x) { return tanh(x); }, [](R x) { return std::tanh(x); }, -10, 10, 8);
  check_function([](P x) { return sqrt(x); }, [](R x) { return std::sqrt(x); }, 0, 100, 0.5001);
  // Below 1e-37 rational approximations in float work on subnormal products.
  check_function([](P x) { return erf(x); }, [](R x) { return std::erf(x); }, -6, 6, sizeof(packet_scalar) == 4 ? 64 : 8);
}

TEST_CASE(TILT_TESTED_AS "elementary functions: a lane's bits depend on that lane alone") {
  using namespace tilt::test;
  using P = tested_packet;
  using limits = std::numeric_limits<packet_scalar>;
  std::vector<packet_scalar> numbers = {
      0, limits::infinity(), -limits::infinity(), limits::quiet_NaN(), limits::min(), limits::denorm_min()};
  for (int i = -24; i <= 24; ++i) numbers.push_back(static_cast<packet_scalar>(i * i * i) / 128);  // from 1/128 to 108, both signs
  const auto check = [&](const auto& f) {
    bool same = true;
    for (std::size_t begin = 0; begin < numbers.size(); ++begin)  // among neighbours of all kinds
      for (std::size_t step : {std::size_t{1}, std::size_t{7}}) {
        lanes x;
        for (std::size_t j = 0; j < x.size(); ++j) x[j] = numbers[(begin + j * step) % numbers.size()];
        const lanes mixed = unpack(f(P::load(x.data())));
        for (std::size_t j = 0; j < x.size(); ++j) {
          const packet_scalar alone = unpack(f(P::broadcast(x[j])))[0];
          same = same && (mixed[j] == alone || (std::isnan(mixed[j]) && std::isnan(alone)));
        }
      }
    CHECK(same);
  };
  check([](P x) { return exp(x); });
  check([](P x) { return log(x); });
  check([](P x) { return log1p(x); });
  check([](P x) { return expm1(x); });
  check([](P x) { return sqrt(x); });
  check([](P x) { return tanh(x); });
  check([](P x) { return erf(x); });
}

TEST_CASE(TILT_TESTED_AS "dual numbers over packets") {
  using namespace tilt::test;
  using D = tilt::dual<tested_packet, 1>;
  const packet_scalar x = packet_scalar(0.75);
  const D y = exp(D::variable(tested_packet(x), 0) * D(tested_packet(packet_scalar(2))));
  CHECK(close(unpack(y.value)[0], std::exp(packet_scalar(1.5)), tolerance<packet_scalar>::value));
  CHECK(close(unpack(y.slope[0]).back(), 2 * std::exp(packet_scalar(1.5)), tolerance<packet_scalar>::gradient));
}
