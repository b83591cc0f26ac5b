// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "demo_job.hpp"
#include "session.hpp"

namespace tilt::program {

struct frontier_job;
struct frontier_task;
struct frontier_outcome;
class frontier_folder;

/// A backend of the program: what it says of itself, and what runs on it.
struct backend_entry {
  std::string name;     ///< of --backend
  int rank = 1;         ///< the highest of those that were compiled in is the default
  std::string library;  ///< what computes, with its version
  index lanes = 1;      ///< float32 numbers in a SIMD register
  bool threads = true;  ///< whether it has more than one
  std::string dtypes = {};  ///< of --dtype
  std::unique_ptr<session> (*open)(const compute&, const model_folder&) = nullptr;
  demo_result (*demo)(const demo_job&) = nullptr;
  void (*compare)(const frontier_job&, const frontier_task&, const frontier_folder&, index threads,
                  frontier_outcome& found) = nullptr;
};

/// Joins the list of the program's backends, and stays in it: an object of static storage in backend_<name>.cpp, the one file that names
/// the backend. The list is complete when main begins, in the order of rank, and does not change any more.
class registered_backend {
 public:
  explicit registered_backend(backend_entry e);
  registered_backend(const registered_backend&) = delete;

  const backend_entry entry;
  const registered_backend* next;
};

/// Those that were compiled in, the default first.
std::vector<const backend_entry*> backends();

/// The one of this name, if it was compiled in.
const backend_entry* find_backend(std::string_view name);

/// A backend that the source tree has and this build has not.
struct missing_backend {
  std::string name;
  std::string packages;  ///< Debian's, which it needs; empty where it needs none
};
std::vector<missing_backend> missing_backends();

}  // namespace tilt::program
