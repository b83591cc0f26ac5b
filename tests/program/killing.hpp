// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kills runs with SIGKILL at random moments: each must end as one that was not.
#include <cstdlib>
#include <random>

#include "program.hpp"
#include "support/catch.hpp"

namespace tilt::test {

/// How many kills are asked for: TILT_KILLS, else `usual`.
inline int kills_asked(int usual) {
  const char* asked = std::getenv("TILT_KILLS");
  return asked != nullptr ? std::atoi(asked) : usual;
}

/// Kills so many runs that write into `folder`, and counts only those that were truly under way.
/// `run(seconds)` starts, or goes on, and is killed after them (0: never); `whole()` looks at what a run that ended has come to.
/// A folder is begun anew after it, and it is let end at the third kill at the latest. How soon a kill comes follows the machine:
/// sooner after a run that was faster, so that no speed makes a test of nothing.
template <class Run, class Whole>
void kill_at_random_moments(int kills, const std::filesystem::path& folder, double seconds, Run run, Whole whole) {
  REQUIRE(kills > 0);
  std::mt19937 engine(7);
  double latest = seconds;
  int killed = 0, on_end = 0;
  for (int tries = 0; killed < kills || on_end > 0; ++tries) {
    REQUIRE(tries < 100 + 20 * kills);
    const bool left_alone = on_end == 3 || killed == kills;
    const outcome result = run(left_alone ? 0 : std::uniform_real_distribution<double>(0.1 * latest, latest)(engine));
    INFO("after " << killed << " kills, " << on_end << " of them of this run: " << result.err);
    if (result.signal == SIGKILL) {
      ++killed, ++on_end;
      latest *= 1.1;
      continue;
    }
    REQUIRE(result.status == 0);
    whole();
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
      INFO("left over: " << file.path());
      CHECK(file.path().string().find(".tmp") == std::string::npos);
    }
    std::filesystem::remove_all(folder);
    if (!left_alone) latest *= 0.8;
    on_end = 0;
  }
}

/// Repeats what is to meet a run under way until it has, ten times at most: a run may end, or leave a stage, before the signal comes.
template <class Attempt> void until_met(Attempt attempt) {
  for (int tries = 1; !attempt(); ++tries) REQUIRE(tries < 10);
}

}  // namespace tilt::test
