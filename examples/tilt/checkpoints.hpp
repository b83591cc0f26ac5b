// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <filesystem>
#include <string>
#include <tilt/train/checkpoint.hpp>

#include "run_settings.hpp"

namespace tilt::program {

/// Throws input_error where the folder holds a model, which the run would replace.
inline void require_no_model(const std::string& folder) {
  for (const char* file : {"config.json", "model.safetensors", "model.safetensors.index.json"})
    if (std::filesystem::exists(std::filesystem::path(folder) / file))
      throw input_error("--output: " + folder + " holds a model already; give another --output, or remove it");
}

/// The checkpoint that a run goes on from, empty for none. Throws input_error where the one that was asked for is not there, and
/// where the output folder holds checkpoints of a run that is not to be resumed, or a model without them; a plan writes nothing there.
inline std::string checkpoint_to_resume(const run_choice& c) {
  const auto latest = latest_checkpoint(c.output);
  if (!c.resume) {
    if (c.plan) return "";
    if (latest) throw input_error(c.output + ": holds checkpoints of an earlier run; go on with it by --resume, or give another --output");
    require_no_model(c.output);
    return "";
  }
  if (!c.resume_from.empty()) {
    if (!std::filesystem::is_directory(c.resume_from))
      throw input_error(c.resume_from + ": is no checkpoint's folder; give one such as " + c.output + "/checkpoint-100");
    return c.resume_from;
  }
  if (latest) return latest->string();
  if (c.plan) return "";
  require_no_model(c.output);
  std::fprintf(stderr, "tilt: %s has no checkpoint; the run begins at the beginning\n", c.output.c_str());
  return "";
}

/// Removes what a run that was killed had begun to write: names that end in .tmp-<process> or .old-<process>.
inline void sweep(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const auto dash = name.rfind('-');
    if (dash == std::string::npos || dash + 1 == name.size() || name.find_first_not_of("0123456789", dash + 1) != std::string::npos)
      continue;
    const std::string_view stem = std::string_view(name).substr(0, dash);
    if (stem.ends_with(".tmp") || stem.ends_with(".old")) std::filesystem::remove_all(entry.path());
  }
}

}  // namespace tilt::program
