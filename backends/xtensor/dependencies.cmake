# SPDX-License-Identifier: Apache-2.0
find_package(xtensor 0.24 QUIET)
find_package(xsimd QUIET)
find_package(Threads QUIET)
