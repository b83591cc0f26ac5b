// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <csignal>
#include <cstddef>
#include <iterator>
#include <tilt/exception.hpp>

namespace tilt::program {

/// What ends a piece of work that was interrupted before it had a result.
struct interrupted : error {
  interrupted() : error("interrupted") {}
};

/// For as long as it lives, SIGINT and SIGTERM are noted instead of ending the process; the second one ends it.
class interruption {
 public:
  interruption() {
    struct sigaction noting {};
    noting.sa_handler = [](int signal) { noted_ = signal; };
    noting.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    for (std::size_t s = 0; s < std::size(signals); ++s) {
      ::sigaction(signals[s], nullptr, &before_[s]);
      if (before_[s].sa_handler != SIG_IGN) ::sigaction(signals[s], &noting, nullptr);  // nohup, or a shell's background
    }
  }
  interruption(const interruption&) = delete;
  ~interruption() {
    for (std::size_t s = 0; s < std::size(signals); ++s) ::sigaction(signals[s], &before_[s], nullptr);
  }

  /// Which signal was noted last, 0: none.
  static int noted() { return noted_; }
  /// For the callbacks of long work: throws `interrupted` where a signal was noted, so that what is half written goes as it does after an error.
  static void heed() {
    if (noted() != 0) throw interrupted();
  }

 private:
  static constexpr int signals[] = {SIGINT, SIGTERM};
  // The handler may run on any thread.
  static inline std::atomic<int> noted_{0};
  static_assert(std::atomic<int>::is_always_lock_free);
  struct sigaction before_[std::size(signals)] = {};
};

}  // namespace tilt::program
