# SPDX-License-Identifier: Apache-2.0
# What tilt::io needs: JSON, the tokenizers' regular expressions and Unicode normalisation, gzip.
find_package(nlohmann_json 3.9 QUIET)
find_package(ZLIB QUIET)
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PCRE2 QUIET IMPORTED_TARGET GLOBAL libpcre2-8)
  pkg_check_modules(UTF8PROC QUIET IMPORTED_TARGET GLOBAL libutf8proc)
endif()
