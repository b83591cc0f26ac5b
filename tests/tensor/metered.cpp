// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/arena.hpp>
#include <tilt/tensor/metered.hpp>
#include <tilt/tensor/reference.hpp>

#include <support/archetype_backend.hpp>
#include <support/catch.hpp>
#include <utility>
#include <vector>

namespace {
using B = tilt::metered_backend<tilt::reference_backend<float>>;
static_assert(tilt::backend<B> && tilt::backend<tilt::metered_backend<tilt::test::archetype_backend>>);

TEST_CASE("metered: what the buffers hold is counted from their making to their end, and the most of it stays") {
  B backend;
  tilt::memory_meter& meter = backend.meter();
  CHECK(meter.held == 0);
  {
    auto floats = backend.allocate<float>(10);
    CHECK(floats.size() == 10);
    CHECK(meter.held == 40);
    {
      auto bytes = backend.allocate<std::byte>(7);
      CHECK(meter.held == 47);
    }
    CHECK(meter.held == 40);
    CHECK(meter.highest == 47);
    meter.restart();
    CHECK(meter.highest == 40);

    auto moved = std::move(floats);  // the bytes go along
    CHECK(meter.held == 40);
    moved = backend.allocate<float>(3);  // both are there for a moment
    CHECK(meter.held == 12);
    CHECK(meter.highest == 52);
    std::vector<decltype(moved)> many;
    for (int i = 0; i < 5; ++i) many.push_back(backend.allocate<float>(1));
    CHECK(meter.held == 32);
  }
  CHECK(meter.held == 0);
  CHECK(meter.highest == 52);
}

TEST_CASE("metered: copies of a backend have one meter, and an arena's block is counted") {
  B backend;
  B copy = backend;
  tilt::arena memory(copy);
  memory.reserve(1000);
  CHECK(backend.meter().held >= 1000);
  CHECK(backend.meter().held < 1200);
}
}  // namespace
