// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/arena.hpp>
#include <tilt/tensor/reference.hpp>

#include <cstdint>
#include <support/archetype_backend.hpp>
#include <support/catch.hpp>

namespace {
/// What a step might take; the same code for a plan and for the memory.
template <class Arena> void lay_out(Arena& memory, tilt::index tokens) {
  memory.template take<double>(tokens * 3);
  const tilt::index before = memory.mark();
  memory.template take<float>(tokens * 100 + 1);
  memory.template take<char>(1);
  memory.release(before);
  memory.template take<double>(tokens * 10);
}
bool on_a_cache_line(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 64 == 0; }
}  // namespace

TEST_CASE("arena: the plan's size is what the same calls use, to the byte") {
  for (tilt::index tokens : {0, 1, 5, 33, 1000}) {
    tilt::arena_plan plan;
    lay_out(plan, tokens);
    tilt::reference_backend<double> backend;
    tilt::arena memory(backend);
    memory.reserve(plan.bytes());
    CHECK(memory.capacity() == plan.bytes());
    CHECK_NOTHROW(lay_out(memory, tokens));
    if (plan.bytes() > 0) {
      tilt::arena smaller(backend);
      smaller.reserve(plan.bytes() - 1);
      CHECK_THROWS_AS(lay_out(smaller, tokens), tilt::error);
    }
  }
}

TEST_CASE("arena: blocks begin on cache lines and do not overlap") {
  tilt::test::archetype_backend backend;
  tilt::arena memory(backend);
  memory.reserve(10 * 64);
  char *const a = memory.take<char>(1), *const b = memory.take<char>(65);
  double* const c = memory.take<double>(8);
  CHECK(on_a_cache_line(a));
  CHECK(on_a_cache_line(b));
  CHECK(on_a_cache_line(c));
  CHECK(b >= a + 1);
  CHECK(reinterpret_cast<char*>(c) >= b + 65);
}

TEST_CASE("arena: taking more than was reserved is refused, and the rest stays usable") {
  tilt::reference_backend<float> backend;
  tilt::arena memory(backend);
  CHECK_THROWS_AS(memory.take<float>(1), tilt::error);
  memory.reserve(128);
  memory.take<float>(16);
  CHECK_THROWS_AS(memory.take<float>(17), tilt::error);
  CHECK_NOTHROW(memory.take<float>(16));
  CHECK_THROWS_AS(memory.take<char>(1), tilt::error);
}

TEST_CASE("arena: release gives the same memory again, reserve keeps what is large enough") {
  tilt::reference_backend<float> backend;
  tilt::arena memory(backend);
  memory.reserve(1000 * 4);
  memory.take<float>(10);
  const tilt::index mark = memory.mark();
  float* const first = memory.take<float>(100);
  memory.release(mark);
  CHECK(memory.take<float>(7) == first);
  memory.reserve(10);
  CHECK(memory.capacity() == 4000);
  CHECK(memory.mark() == 0);
}
