// SPDX-License-Identifier: Apache-2.0
#pragma once
// Catch2, version 2 (one header) or 3, and what every test shares.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <filesystem>
#include <string>

/// Ends the test case and has CTest count it as skipped: it looks for the line "skipped: ".
#define TILT_SKIP(reason)                                      \
  do {                                                         \
    std::printf("skipped: %s\n", std::string(reason).c_str()); \
    std::fflush(stdout);                                       \
    return;                                                    \
  } while (false)

/// Skips the test case where a file or folder is not there.
#define TILT_SKIP_WITHOUT(needed)                                                                            \
  do {                                                                                                       \
    const std::filesystem::path tilt_needed = needed;                                                        \
    if (!std::filesystem::exists(tilt_needed)) TILT_SKIP(tilt_needed.filename().string() + " is not there"); \
  } while (false)
