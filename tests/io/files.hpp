// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files with any content, and what their readers say about it.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/io/file.hpp>
#include <unistd.h>
#include <vector>

#include "support/catch.hpp"
#include "support/paths.hpp"

namespace tilt::test {

/// Puts text into a file, without the library.
inline void put(const std::filesystem::path& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  const std::size_t written = std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
  REQUIRE(written == text.size());
}
inline std::string contents(const std::filesystem::path& path) { return std::string(mapped_file(path).text()); }

/// What a call says when it throws input_error; "" if it does not throw.
template <class Call> std::string sentence(const Call& call) {
  try {
    call();
  } catch (const input_error& e) {
    return e.what();
  }
  return {};
}

/// Expects one sentence: that it holds all the words, a remedy after a semicolon, and no line break.
template <class Call> void refuses(const Call& call, std::initializer_list<const char*> words) {
  const std::string said = sentence(call);
  INFO("said: " << said);
  CHECK(!said.empty());
  CHECK(said.find('\n') == std::string::npos);
  for (const char* const word : words) {
    INFO("looking for: " << word);
    CHECK(said.find(word) != std::string::npos);
  }
}

/// A safetensors file with any header, true or not.
inline std::string safetensors_text(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + header + data;
}
template <class T> std::string bytes_of(const std::vector<T>& values) {
  std::string text(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(text.data(), values.data(), text.size());
  return text;
}

/// A folder of this process's own, for helpers that several test cases call: these may run at the same time. Gone at its end.
inline const std::filesystem::path& process_folder() {
  struct owner {
    std::filesystem::path path = scratch_folder(("io_process_" + std::to_string(::getpid())).c_str());
    ~owner() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const owner folder;
  return folder.path;
}

/// Names of what lies in a folder.
inline std::vector<std::string> listing(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tilt::test
