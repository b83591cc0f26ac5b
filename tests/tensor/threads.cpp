// SPDX-License-Identifier: Apache-2.0
#include <tilt/tensor/threads.hpp>

#include <support/catch.hpp>

#include <chrono>
#include <ctime>
#include <stdexcept>
#include <vector>

TEST_CASE("threads: every job runs once, on a thread of the pool") {
  for (int n : {1, 2, 3, 5}) {
    tilt::threads pool(n);
    REQUIRE(pool.size() == n);
    for (int jobs : {0, 1, 2, 3, 100}) {
      std::vector<int> runs(static_cast<std::size_t>(jobs)), on(runs.size(), -1);
      pool.run(jobs, [&](tilt::index job, int thread) {
        ++runs[static_cast<std::size_t>(job)];
        on[static_cast<std::size_t>(job)] = thread;
      });
      CHECK(runs == std::vector<int>(runs.size(), 1));
      for (int thread : on) CHECK((thread >= 0 && thread < n));
    }
  }
}

TEST_CASE("threads: many small runs") {
  tilt::threads pool(3);
  std::vector<long> sums(7);
  for (int round = 0; round < 20000; ++round) pool.run(7, [&](tilt::index job, int) { sums[static_cast<std::size_t>(job)] += round; });
  CHECK(sums == std::vector<long>(7, 20000L * 19999 / 2));
}

TEST_CASE("threads: two threads work at the same time") {
  // Each job waits for the other, so one thread could not finish them.
  tilt::threads pool(2);
  std::atomic<int> arrived{0};
  pool.run(2, [&](tilt::index, int) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  CHECK(arrived == 2);
}

TEST_CASE("threads: an exception reaches the caller and the pool lives on") {
  for (int n : {1, 3}) {
    tilt::threads pool(n);
    for (int round = 0; round < 200; ++round) {
      CHECK_THROWS_AS(pool.run(50,
                               [&](tilt::index job, int) {
                                 if (job == round % 50) throw std::runtime_error("a job failed");
                               }),
                      std::runtime_error);
      std::atomic<int> done{0};
      pool.run(5, [&](tilt::index, int) { ++done; });
      CHECK(done == 5);
    }
  }
}

TEST_CASE("threads: a job may run jobs") {
  tilt::threads pool(3);
  std::vector<int> runs(30 * 4), inner(runs.size()), outer(30);
  pool.run(30, [&](tilt::index job, int thread) {
    outer[static_cast<std::size_t>(job)] = thread;
    pool.run(4, [&](tilt::index part, int inner_thread) {
      const auto at = static_cast<std::size_t>(job * 4 + part);
      ++runs[at];
      inner[at] = inner_thread;
    });
  });
  CHECK(runs == std::vector<int>(runs.size(), 1));
  for (std::size_t i = 0; i < inner.size(); ++i) CHECK(inner[i] == outer[i / 4]);
}

TEST_CASE("threads: a pool is made and ended quickly, used or not") {
  for (int round = 0; round < 200; ++round) {
    tilt::threads pool(3);
    std::atomic<int> done{0};
    if (round % 2) pool.run(9, [&](tilt::index, int) { ++done; });
    CHECK(done == (round % 2 ? 9 : 0));
  }
}

TEST_CASE("threads: idle workers use no processor time") {
  tilt::threads pool(3);
  pool.run(3, [](tilt::index, int) {});
  // Their short spin is over after a few tries, however busy the machine is.
  double used = 1;
  for (int tries = 0; tries < 10 && used >= 0.03; ++tries) {
    const std::clock_t before = std::clock();  // of the whole process
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  }
  CHECK(used < 0.03);
}
