# SPDX-License-Identifier: Apache-2.0
# CUDA, where an nvcc is found. Languages have to be enabled at the top, so this is included there.
set(TILT_CUDA ${PROJECT_IS_TOP_LEVEL} CACHE BOOL "Have targets for tilt_cuda and the CUDA tests where nvcc is found; `all` leaves them out")
if(TILT_CUDA AND (TILT_BUILD_TESTS OR TILT_BUILD_EXAMPLES))
  set(CMAKE_CUDA_ARCHITECTURES 80 90 CACHE STRING "GPUs that CUDA code is compiled for: 80 is an A100, 90 an H100")
  find_program(TILT_NVCC nvcc PATHS /usr/local/cuda/bin ENV CUDA_PATH PATH_SUFFIXES bin DOC "NVIDIA's compiler")
  mark_as_advanced(TILT_NVCC)
  if(TILT_NVCC)
    set(CMAKE_CUDA_COMPILER "${TILT_NVCC}")
    enable_language(CUDA)
  endif()
endif()
