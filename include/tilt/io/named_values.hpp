// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tilt/error.hpp>

namespace tilt {

/// Texts, numbers, truth values and lists of numbers by name, kept as a JSON object. Doubles come back to the bit.
class named_values {
 public:
  named_values() : json_(nlohmann::ordered_json::object()) {}
  /// Throws input_error if the text is not a JSON object; the message leaves it to the caller to say where.
  explicit named_values(std::string_view text) {
    try {
      json_ = nlohmann::ordered_json::parse(text);
    } catch (const nlohmann::json::exception&) {
    }
    if (!json_.is_object()) throw input_error("is not a JSON object");
  }

  template <class Value> void set(const std::string& name, const Value& value) { json_[name] = value; }
  bool has(const std::string& name) const { return json_.contains(name); }
  /// Throws input_error where there is none of that name, or of another type.
  template <class Value> Value get(const std::string& name) const {
    try {
      return json_.at(name).get<Value>();
    } catch (const nlohmann::json::exception&) {
      throw input_error("has no proper '" + name + "'");
    }
  }
  std::string text() const { return json_.dump(1) + "\n"; }

 private:
  nlohmann::ordered_json json_;
};

}  // namespace tilt
