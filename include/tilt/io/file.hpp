// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tilt/error.hpp>
#include <unistd.h>
#include <utility>

namespace tilt {

/// A file's bytes, mapped read-only. Throws input_error where it cannot be opened.
class mapped_file {
 public:
  explicit mapped_file(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe nobody writes to must not hang
    if (descriptor < 0) throw input_error(path.string() + ": cannot be opened (" + std::strerror(errno) + "); check the path and its permissions");
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(descriptor);
      throw input_error(path.string() + ": is not a regular file; give the path of a file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ > 0) {
      void* const data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (data == MAP_FAILED) {
        const int reason = errno;
        ::close(descriptor);
        throw input_error(path.string() + ": cannot be mapped (" + std::strerror(reason) + "); is there enough address space?");
      }
      data_ = static_cast<const std::byte*>(data);
    }
    ::close(descriptor);
  }
  mapped_file(mapped_file&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~mapped_file() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes a file so that it is either whole or not there: into a temporary beside it, fsync, rename. Dropped without `commit`,
/// nothing remains. Throws input_error where the disk is full or the place cannot be written.
class atomic_file {
 public:
  explicit atomic_file(std::filesystem::path path) : path_(std::move(path)), temporary_(path_.string() + ".tmp-" + std::to_string(::getpid())) {
    std::error_code none;
    const auto status = std::filesystem::status(path_, none);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))  // the rename would put a file in a device's place
      throw input_error(path_.string() + ": is there and is not a regular file; give another place");
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail("cannot be written");
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
      ::unlink(temporary_.c_str());
    }
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        fail("cannot be written");
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

  void commit() {
    if (::fsync(descriptor_) != 0) fail("cannot be written");
    if (::close(std::exchange(descriptor_, -1)) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int reason = errno;
      ::unlink(temporary_.c_str());
      errno = reason;
      fail("cannot be written");
    }
    sync_folder(path_.parent_path());
  }

  /// Makes renames within a folder durable.
  static void sync_folder(const std::filesystem::path& folder) {
    const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
  }

 private:
  [[noreturn]] void fail(const char* what) {
    const int reason = errno;
    if (descriptor_ >= 0) {
      ::close(std::exchange(descriptor_, -1));
      ::unlink(temporary_.c_str());
    }
    throw input_error(path_.string() + ": " + what + " (" + std::strerror(reason) + "); free space or give another place");
  }

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// Puts the folder `fresh` in the place of `place`, which may be there: the two change names in one operation where the file system can,
/// so that whoever looks, after a crash too, finds the old folder or the new one under that name. What was replaced is removed. Throws
/// std::filesystem::filesystem_error.
inline void replace_folder(const std::filesystem::path& fresh, const std::filesystem::path& place) {
  namespace fs = std::filesystem;
  if (!fs::exists(place)) {
    fs::rename(fresh, place);
    atomic_file::sync_folder(place.parent_path());
    return;
  }
#if defined(RENAME_EXCHANGE)
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) {
    atomic_file::sync_folder(place.parent_path());
    fs::remove_all(fresh);
    return;
  }
#endif
  const fs::path old = place.string() + ".old-" + std::to_string(::getpid());
  fs::rename(place, old);
  std::error_code failure, ignored;
  fs::rename(fresh, place, failure);
  if (failure) {
    fs::rename(old, place, ignored);
    throw fs::filesystem_error("replace_folder", fresh, place, failure);
  }
  atomic_file::sync_folder(place.parent_path());
  fs::remove_all(old);
}

/// Writes text as a whole file, atomically.
inline void write_file(const std::filesystem::path& path, std::string_view text) {
  atomic_file file(path);
  file.write(text);
  file.commit();
}

}  // namespace tilt
