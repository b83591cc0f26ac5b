# SPDX-License-Identifier: Apache-2.0
# CUDA 13's toolkit, which brings a Thrust of its own; Debian's is never used in a CUDA source.
find_package(CUDAToolkit 13 QUIET)
