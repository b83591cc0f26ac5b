// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <exception>
#include <initializer_list>
#include <new>
#include <string_view>

namespace tilt {

/// Base of everything that the library throws. Knows nothing of std::string, which costs more to include than a loss does.
class error : public std::exception {
 public:
  /// The message is the parts, one after the other.
  explicit error(std::initializer_list<std::string_view> parts) : text_(joined(parts)) {}
  explicit error(std::string_view message) : error({message}) {}
  error(const error& other) noexcept : std::exception(other), text_(joined({other.what()})) {}
  error& operator=(const error& other) noexcept {
    error copy(other);
    const char* const own = text_;
    text_ = copy.text_;
    copy.text_ = own;
    return *this;
  }
  ~error() override { delete[] text_; }

  const char* what() const noexcept override { return text_ != nullptr ? text_ : "there was no memory for the message of an error"; }

 private:
  static const char* joined(std::initializer_list<std::string_view> parts) noexcept {
    std::size_t size = 0;
    for (const std::string_view part : parts) size += part.size();
    char* const text = new (std::nothrow) char[size + 1];
    if (text == nullptr) return nullptr;
    char* end = text;
    for (const std::string_view part : parts)
      for (const char c : part) *end++ = c;
    *end = '\0';
    return text;
  }
  const char* text_;
};

/// What a user gave cannot be used. The message is one sentence: the file (and line) or option, the reason, the remedy.
struct input_error : error {
  using error::error;
};

/// A number that is not finite appeared where training needs a finite one.
struct numeric_error : error {
  using error::error;
};

}  // namespace tilt
