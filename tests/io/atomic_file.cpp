// SPDX-License-Identifier: Apache-2.0
// Files are whole or not there, whatever goes wrong while they are written.
#include <csignal>
#include <sys/resource.h>
#include <tilt/io/file.hpp>

#include "files.hpp"

namespace tilt::test {
TEST_CASE("a file appears when it is committed, with nothing beside it") {
  const auto folder = scratch_folder("io_atomic_commit");
  {
    atomic_file file(folder / "a");
    file.write("one, ");
    CHECK_FALSE(std::filesystem::exists(folder / "a"));
    file.write("two");
    file.commit();
  }
  CHECK(contents(folder / "a") == "one, two");
  CHECK(listing(folder) == std::vector<std::string>{"a"});
}

TEST_CASE("a file that is not committed leaves what was there") {
  const auto folder = scratch_folder("io_atomic_dropped");
  put(folder / "a", "old");
  {
    atomic_file file(folder / "a");
    file.write("new");
  }
  CHECK(contents(folder / "a") == "old");
  CHECK(listing(folder) == std::vector<std::string>{"a"});
  write_file(folder / "a", "");
  CHECK(contents(folder / "a").empty());
  CHECK(listing(folder) == std::vector<std::string>{"a"});
}

TEST_CASE("places where no file can be") {
  const auto folder = scratch_folder("io_atomic_places");
  put(folder / "file", "text");
  refuses([&] { write_file(folder / "none" / "a", "x"); }, {"none/a: cannot be written (No such file or directory); "});
  refuses([&] { write_file(folder / "file" / "a", "x"); }, {"file/a: cannot be written (Not a directory); "});
  refuses([&] { write_file(folder, "x"); }, {"io_atomic_places: is there and is not a regular file; "});
  refuses([&] { write_file("/dev/full", "x"); }, {"/dev/full: is there and is not a regular file; "});  // and is not replaced by one
  refuses([&] { mapped_file file(folder / "none"); }, {"none: cannot be opened (No such file or directory); "});
  refuses([&] { mapped_file file(folder / "file" / "a"); }, {"cannot be opened (Not a directory); "});
  refuses([&] { mapped_file file("/dev/null"); }, {"/dev/null: is not a regular file; "});
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  refuses([&] { mapped_file file(folder / "pipe"); }, {"pipe: is not a regular file; "});  // and does not wait for a writer
  refuses([&] { write_file(folder / "pipe", "x"); }, {"pipe: is there and is not a regular file; "});
  CHECK(listing(folder) == std::vector<std::string>{"file", "pipe"});
}

TEST_CASE("a disk that fills up leaves the old file and nothing else") {
  const auto folder = scratch_folder("io_atomic_full");
  put(folder / "a", "old");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{4096, before.rlim_max};
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string said = sentence([&] { write_file(folder / "a", std::string(10000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  INFO(said);
  CHECK(said.find("a: cannot be written (File too large); free space") != std::string::npos);
  CHECK(contents(folder / "a") == "old");
  CHECK(listing(folder) == std::vector<std::string>{"a"});
}

TEST_CASE("a mapped file can be moved, and an empty one mapped") {
  const auto folder = scratch_folder("io_mapped");
  put(folder / "a", "first");
  put(folder / "b", "");
  mapped_file a(folder / "a"), b(folder / "b");
  CHECK(b.bytes().empty());
  b = std::move(a);
  CHECK(b.text() == "first");
  const mapped_file c(std::move(b));
  CHECK(c.text() == "first");
}

}  // namespace tilt::test
