// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <tilt/error.hpp>

namespace tilt::program {

/// The folder for what a command writes, made only now that everything was read, and gone again if nothing comes to be in it. Throws
/// input_error where there can be no such folder.
class output_folder {
 public:
  explicit output_folder(const std::string& path) : path_(path) {
    std::error_code code;
    made_ = std::filesystem::create_directories(path_, code);
    if (code || !std::filesystem::is_directory(path_))
      throw input_error(path + ": cannot be made a folder (" + (code ? code.message() : std::string("it is a file")) +
                        "); give another --output");
  }
  output_folder(const output_folder&) = delete;
  ~output_folder() {
    std::error_code not_empty;
    if (made_) std::filesystem::remove(path_, not_empty);
  }

 private:
  std::filesystem::path path_;
  bool made_ = false;
};

}  // namespace tilt::program
