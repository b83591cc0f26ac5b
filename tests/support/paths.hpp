// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

namespace tilt::test {

/// The root of this source tree.
inline std::filesystem::path source_folder() { return TILT_SOURCE_DIR; }

namespace detail {
inline std::filesystem::path folder(const char* variable, const char* beside) {
  const char* given = std::getenv(variable);
  return given != nullptr && *given != '\0' ? std::filesystem::path(given) : (source_folder() / ".." / beside).lexically_normal();
}
}  // namespace detail

/// Values computed by other libraries: $TILT_GOLDEN, or shared/golden beside the source tree. A test that finds it missing skips.
inline std::filesystem::path golden_folder() { return detail::folder("TILT_GOLDEN", "shared/golden"); }

/// Models and preference data: $TILT_DATA, or shared/data beside the source tree. A test that finds it missing skips.
inline std::filesystem::path data_folder() { return detail::folder("TILT_DATA", "shared/data"); }

/// An empty folder for what a test writes; its name is the caller's, which no other test of the program may use. Each program has its own.
inline std::filesystem::path scratch_folder(const char* name) {
  const std::size_t program = std::hash<std::string>()(std::filesystem::read_symlink("/proc/self/exe").string());
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "tilt-tests" / std::to_string(program) / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace tilt::test
