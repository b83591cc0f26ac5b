// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>

#include "bad_input.hpp"

using namespace tilt::test;

TEST_CASE("outputs that cannot be written") {
  workplace place("bad_output");
  place.leave_out("--output");
  write_text(place.folder / "a_file", "kept");
  SECTION("inside a file") { refused(place, {"a_file"}, {"--output", place.folder / "a_file" / "out"}); }
  SECTION("in the place of a file") { refused(place, {"a_file"}, {"--output", place.folder / "a_file"}); }
  SECTION("where nobody may write") { refused(place, {"/proc"}, {"--output", "/proc/tilt-out"}); }
  SECTION("over the model that is trained") {
    const std::string weights = contents(place.model / "model.safetensors");
    refused(place, {"--output", "--model"}, {"--output", place.folder / "." / "model"});
    CHECK((contents(place.model / "model.safetensors") == weights));
  }
  SECTION("over the reference model") {
    write_tiny_model(place.folder / "other", 2);
    refused(place, {"--output", "--reference-model"}, {"--reference-model", place.folder / "other", "--output", place.folder / "other"});
  }
  SECTION("over a model that an earlier run has trained") {
    const fs::path out = place.folder / "trained";
    REQUIRE(place.run({"--output", out}).status == 0);
    const std::string weights = contents(out / "model.safetensors"), log = contents(out / "metrics.jsonl");
    refuses(place.run({"--output", out, "--beta", "1"}), {"--output", "trained", "holds a model already"});
    refuses(place.run({"--output", out, "--beta", "1", "--resume"}), {"--output", "trained", "holds a model already"});
    for (const char* more : {"--shuffle", "--resume"}) {  // a plan writes nothing there
      const outcome planned = place.run({"--output", out, "--plan", more});
      INFO(planned.err);
      CHECK(planned.status == 0);
      CHECK(planned.out.find("\npeak ") != std::string::npos);
    }
    CHECK((contents(out / "model.safetensors") == weights));
    CHECK((contents(out / "metrics.jsonl") == log));
  }
  CHECK(contents(place.folder / "a_file") == "kept");
}

namespace {

/// The last line says which file did not fit; nothing is there in part.
void runs_out_of_space(const outcome& result, const fs::path& output, const char* file) {
  INFO(result.err);
  CHECK(result.status == 2);
  const std::string last = result.err.substr(result.err.rfind('\n', result.err.size() - 2) + 1);
  CHECK(last.rfind("tilt: ", 0) == 0);
  CHECK(last.find(file) != std::string::npos);
  CHECK(last.find("free space") != std::string::npos);
  for (const auto& entry : fs::recursive_directory_iterator(output)) {
    INFO("left over: " << entry.path());
    CHECK(entry.path().filename() == "metrics.jsonl");
  }
}

/// A file system of so many kilobytes, for as long as it lives.
struct small_disk {
  small_disk(fs::path at, int kilobytes) : place(std::move(at)) {
    fs::create_directories(place);
    const std::string size = "size=" + std::to_string(kilobytes) + "k";
    mounted = ::mount("tilt-test", place.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~small_disk() {
    if (mounted) ::umount(place.c_str());
  }
  fs::path place;
  bool mounted = false;
};

}  // namespace

TEST_CASE("a disk that is full") {
  workplace place("bad_full");
  SECTION("files may not grow") {  // the weights take 30 kB, the log 2
    runs_out_of_space(place.run({"--logging-steps", "1"}, {.largest_file = 8192}), place.output, "model.safetensors");
  }
  SECTION("files may not grow, at a checkpoint") {
    runs_out_of_space(place.run({"--save-steps", "1"}, {.largest_file = 8192}), place.output, "checkpoint-1");
  }
}

TEST_CASE("a disk that has no room") {
  workplace place("bad_disk");
  const small_disk disk(place.folder / "disk", 32);
  if (!disk.mounted) TILT_SKIP("mounting a small disk needs rights that this user has not");
  place.leave_out("--output");
  runs_out_of_space(place.run({"--output", disk.place / "out"}), disk.place / "out", "out");
}

TEST_CASE("a standard output that has no room") {
  if (!fs::exists("/dev/full")) TILT_SKIP("there is no /dev/full");
  const workplace place("bad_stdout");
  const outcome full = tilt_program(place.folder, {"score", "--model", place.model, "--data", place.train}, {.output = "/dev/full"});
  INFO(full.err);
  CHECK(full.status == 2);
  CHECK(full.err.find("standard output") != std::string::npos);
}

TEST_CASE("checkpoints that cannot be resumed") {
  const workplace place("bad_resume");
  SECTION("there is none") { refused(place, {"nowhere"}, {"--resume", place.folder / "nowhere"}); }
  SECTION("of another run") {
    REQUIRE(place.run({"--save-steps", "1"}).status == 0);
    const std::string model = contents(place.output / "model.safetensors"), log = contents(place.output / "metrics.jsonl");
    refuses(place.run({"--save-steps", "1"}), {"--resume"});  // it would mix two runs
    refuses(place.run({"--resume", "--save-steps", "1", "--seed", "7"}), {"--seed", "checkpoint-2", "42", "7"});
    refuses(place.run({"--resume", "--save-steps", "1", "--loss-type", "ipo"}), {"--loss-type", "checkpoint-2", "sigmoid", "ipo"});
    refuses(place.run({"--resume", "--save-steps", "1", "--beta", "0.5"}), {"--beta", "checkpoint-2", "0.1", "0.5"});
    refuses(place.run({"--resume", "--save-steps", "1", "--learning-rate", "0.5"}), {"--learning-rate", "checkpoint-2", "1e-06", "0.5"});
    refuses(place.run({"--resume", "--save-steps", "1", "--dtype", "float64"}), {"--dtype", "checkpoint-2", "float32"});
    write_text(place.train, tiny_pairs(7));
    refuses(place.run({"--resume", "--save-steps", "1"}), {"--train", "checkpoint-2", "other examples"});
    workplace other = place;
    other.leave_out("--output");
    refuses(other.run({"--resume", place.output / "checkpoint-2", "--output", place.folder / "other"}), {"--train", "checkpoint-2"});
    CHECK_FALSE(fs::exists(place.folder / "other"));  // a run that does not begin leaves no folder
    write_text(place.train, tiny_pairs(6));
    write_tiny_model(place.model, 2);
    refuses(place.run({"--resume", "--save-steps", "1"}), {"--reference-model", "checkpoint-2"});
    CHECK((contents(place.output / "model.safetensors") == model));
    CHECK((contents(place.output / "metrics.jsonl") == log));
  }
  SECTION("damaged") {
    REQUIRE(place.run({"--save-steps", "2"}).status == 0);
    const fs::path file = place.output / "checkpoint-2" / "state.safetensors";
    write_text(file, contents(file).substr(0, 1000));
    refuses(place.run({"--resume", "--save-steps", "2"}), {"state.safetensors"});
  }
}
