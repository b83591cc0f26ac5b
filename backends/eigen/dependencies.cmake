# SPDX-License-Identifier: Apache-2.0
find_package(Eigen3 3.4 QUIET NO_MODULE)
find_package(Threads QUIET)
