// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tilt::program {

/// What a key of TRL's configurations, for which there is no setting, may say here.
enum class trl_key {
  unknown,  ///< not TRL's
  listed,   ///< says how PyTorch is to run; it is listed and passed over
  usual,    ///< would change the result, but has the value that changes nothing
  refused,  ///< would change the result
};

/// Looks at a key of DPOConfig, KTOConfig, SFTConfig (TRL 1.16 and before) or TrainingArguments (transformers 5 and before).
trl_key look_up(std::string_view key, const nlohmann::json& value);

/// All that look_up knows.
std::vector<std::string> trl_key_names();

}  // namespace tilt::program
