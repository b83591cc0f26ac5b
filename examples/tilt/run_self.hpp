// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <tilt/exception.hpp>
#include <vector>

#include "interruption.hpp"

namespace tilt::program {

/// What a child process came to.
struct ended {
  int status = 0;  ///< exit status
  int signal = 0;  ///< that killed it

  bool interrupted() const { return status == 130 || signal == SIGINT || signal == SIGTERM; }
};

/// What passes a noted signal on to a child that may have had it too, as from a terminal or a scheduler: the other of the two, as the same
/// one again would end it while it saves.
inline int signal_to_pass_on() {
  struct sigaction now {};
  ::sigaction(SIGINT, nullptr, &now);
  return interruption::noted() == SIGTERM && now.sa_handler != SIG_IGN ? SIGINT : SIGTERM;
}

/// Runs this program with other arguments; what it says goes to the open file `said`. A signal to this process is the child's too, which
/// saves and ends. When this process dies the child is told to do so too.
inline ended run_self(const std::vector<std::string>& arguments, int said) {
  std::vector<char*> argv{const_cast<char*>("tilt")};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw error("a run cannot be started (" + std::string(std::strerror(errno)) + ")");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(126);  // it died before that
    const int nothing = ::open("/dev/null", O_RDWR);
    if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(nothing, 1) < 0 || ::dup2(said, 2) < 0) ::_exit(126);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(127);
  }
  int status = 0;
  pid_t waited = 0;
  for (bool told = false; (waited = ::waitpid(child, &status, WNOHANG)) == 0 || (waited < 0 && errno == EINTR);) {
    if (interruption::noted() != 0 && !told) {
      ::kill(child, signal_to_pass_on());
      told = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (waited < 0) throw error("a run is lost (" + std::string(std::strerror(errno)) + ")");
  return WIFSIGNALED(status) ? ended{-1, WTERMSIG(status)} : ended{WEXITSTATUS(status), 0};
}

}  // namespace tilt::program
