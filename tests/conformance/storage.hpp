// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <conformance/support.hpp>
#include <utility>

namespace tilt::test {

template <class U, class B> void check_round_trip(B& backend) {
  for (index n : {index{0}, index{1}, index{3}, index{1000}, index{70000}}) {
    std::vector<U> host(static_cast<std::size_t>(n)), back(host.size());
    for (std::size_t i = 0; i < host.size(); ++i) host[i] = static_cast<U>(i * 7 % 251);
    auto buffer = backend.template allocate<U>(n);
    CHECK(static_cast<index>(buffer.size()) == n);
    backend.copy_in(host.data(), n, static_cast<U*>(buffer.data()));
    auto moved = std::move(buffer);
    backend.copy_out(static_cast<const U*>(moved.data()), n, back.data());
    CHECK(back == host);
  }
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "storage comes back as it went in") {
  using namespace tilt::test;
  tested_backend backend;
  check_round_trip<typename tested_backend::scalar>(backend);
  check_round_trip<tilt::token>(backend);
  check_round_trip<std::byte>(backend);
}

TEST_CASE(TILT_TESTED_AS "parts of storage are copied without touching the rest") {
  using namespace tilt::test;
  using T = typename tested_backend::scalar;
  tested_backend backend;
  auto array = own(backend, std::vector<T>(10, T(1)));
  const std::vector<T> part = {T(2), T(3)};
  backend.copy_in(part.data(), 2, array.data() + 5);
  CHECK(array.host() == std::vector<T>{1, 1, 1, 1, 1, 2, 3, 1, 1, 1});
  std::vector<T> three(3);
  backend.copy_out(array.data() + 4, 3, three.data());
  CHECK(three == std::vector<T>{1, 2, 3});
}
