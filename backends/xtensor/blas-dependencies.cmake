# SPDX-License-Identifier: Apache-2.0
find_package(xtensor 0.24 QUIET)
find_package(xsimd QUIET)
find_package(Threads QUIET)
# xtensor-blas insists on both of these, and ends the configuration where it does not find them.
find_package(BLAS QUIET)
find_package(LAPACK QUIET)
if(BLAS_FOUND AND LAPACK_FOUND)
  find_package(xtensor-blas QUIET)
endif()
