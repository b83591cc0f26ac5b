// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs the built program as a user would: its own process, arguments, two streams, an exit status.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tilt::test {

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

struct run_options {
  std::filesystem::path folder = {};  ///< where it runs; empty: here
  std::filesystem::path input = "/dev/null";
  std::filesystem::path output = {};  ///< where standard output goes; empty: it is returned
  std::uint64_t largest_file = 0;     ///< bytes that a file may have (RLIMIT_FSIZE), 0: any
  double kill_after = 0;              ///< seconds until SIGKILL, 0: never
  int signal = 0;                     ///< sent once the file `signal_when`, or a file in that folder, has something in it, 0: none
  std::filesystem::path signal_when = {};
  bool to_all = false;  ///< the signal goes to what the program has started too, as from a terminal
};

struct outcome {
  int status = -1;  ///< exit status, -1 if a signal ended it
  int signal = 0;   ///< which ended it, 0: none
  std::string out, err;
  double seconds = 0;
  double peak_memory_mb = 0;  ///< resident, of this process alone
};

/// Whether the file, or one in the folder, has something in it.
inline bool has_contents(const std::filesystem::path& place) {
  std::error_code absent;
  if (!std::filesystem::is_directory(place, absent)) return std::filesystem::file_size(place, absent) > 0 && !absent;
  for (const auto& entry : std::filesystem::directory_iterator(place, absent))
    if (entry.is_regular_file(absent) && has_contents(entry.path())) return true;
  return false;
}

/// Runs `tilt` with arguments and waits for it. `scratch` takes its streams.
inline outcome tilt_program(const std::filesystem::path& scratch, const std::vector<std::string>& arguments,
                            const run_options& options = {}) {
  const std::string out = (scratch / "stdout").string(), err = (scratch / "stderr").string();
  const std::string target = options.output.empty() ? out : options.output.string(), input = options.input.string(),
                    folder = options.folder.string();
  std::vector<char*> argv{const_cast<char*>("tilt")};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);

  const auto begun = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (options.to_all) ::setpgid(child, child);  // here and there, whichever is first; after exec it fails
  if (child == 0) {
    const int in_file = ::open(input.c_str(), O_RDONLY), out_file = ::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (in_file < 0 || out_file < 0 || err_file < 0 || ::dup2(in_file, 0) < 0 || ::dup2(out_file, 1) < 0 || ::dup2(err_file, 2) < 0)
      ::_exit(126);
    if (!folder.empty() && ::chdir(folder.c_str()) != 0) ::_exit(126);
    if (options.largest_file > 0) {
      const rlimit limit{options.largest_file, options.largest_file};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(TILT_PROGRAM, argv.data());
    ::_exit(127);
  }
  if (options.kill_after > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.kill_after));
    ::kill(child, SIGKILL);
  }
  int status = 0;
  rusage used{};
  bool ended = false;
  if (options.signal != 0) {
    while (!ended && !has_contents(options.signal_when)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ended = ::wait4(child, &status, WNOHANG, &used) == child;
    }
    if (!ended) ::kill(options.to_all ? -child : child, options.signal);
  }
  while (!ended && ::wait4(child, &status, 0, &used) < 0)
    if (errno != EINTR) throw std::runtime_error("waitpid failed");
  outcome result;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  result.peak_memory_mb = static_cast<double>(used.ru_maxrss) / 1024;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (options.output.empty()) result.out = contents(out);
  result.err = contents(err);
  return result;
}

/// The lines of a JSONL text.
inline std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(nlohmann::json::parse(text.substr(begin, end - begin)));
  return lines;
}

}  // namespace tilt::test
