// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests of composites share: the same numbers on two backends, and the worst element in units of the tolerance.
#include <conformance/support.hpp>
#include <sstream>

namespace tilt::test {

/// What a composite wrote: every array whole, with what lies between a view's rows, so that a stray write is seen.
struct named_values {
  const char* name;
  std::vector<double> values;
  double terms = 0;  ///< the size of the terms that an element adds up, where that says more than the largest element does
  friend bool operator==(const named_values& a, const named_values& b) { return a.values == b.values; }
};
using results = std::vector<named_values>;

/// Numbers of type T in the memory and the scalar of backend B.
template <class B, class T> auto place(B& backend, const std::vector<T>& host) {
  using S = typename B::scalar;
  std::vector<S> own_numbers(host.size());
  std::transform(host.begin(), host.end(), own_numbers.begin(), [](T x) { return static_cast<S>(x); });
  return own(backend, own_numbers);
}
template <class U, class B> std::vector<double> widened(own_array<U, B>& array) {
  const std::vector<U> host = array.host();
  return {host.begin(), host.end()};
}

/// The worst element of everything that a test case compares, in units of the tolerance.
class worst_element {
 public:
  /// Elements that are small beside their array's largest, or their terms, are sums that cancel: they are measured against it.
  void compare(const results& found, const results& expected, long double bound, const std::string& at) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i].values.empty() && expected[i].values.empty()) continue;
      INFO(at << ": " << found[i].name);
      const comparison c =
          all_close(found[i].values, expected[i].values, bound, std::max<long double>(expected[i].terms, largest(expected[i].values)));
      CHECK(c);
      if (worst_ >= 0 && !(c.error / bound > worst_)) continue;
      worst_ = c.error / bound;
      std::ostringstream text;
      text << found[i].name << '[' << c.at << "], " << at;
      where_ = text.str();
    }
  }
  void report(const char* composite) const { WARN(composite << ": worst element " << worst_ << " of the tolerance: " << where_); }

 private:
  long double worst_ = -1;
  std::string where_ = "nothing was compared";
};

/// run(backend) on B, in each way in which the suite sets it up, against the same in double on the reference backend. Where products
/// are row-exact the bits must not know the number of threads.
template <class B, class Run> void check_composite(const Run& run, long double bound, const std::string& at, worst_element& worst) {
  reference_backend<double> specification;
  const results expected = run(specification);
  results first;
  for_each_setting<B>([&](B& backend) {
    const results found = run(backend);
    worst.compare(found, expected, bound, at);
    if (first.empty()) first = found;
    if constexpr (B::row_exact) {
      INFO(at << ": the bits of 1 thread and of more");
      CHECK(found == first);
    }
  });
}

template <class T> T pick(const std::vector<T>& from, std::mt19937_64& random) { return from[random() % from.size()]; }

/// Rows end to end or, every other time, with gaps between them: what every composite takes. Columns are contiguous.
inline layout any_rows(std::mt19937_64& random) { return random() % 2 ? layout::padded_rows : layout::rows; }

}  // namespace tilt::test
