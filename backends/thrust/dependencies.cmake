# SPDX-License-Identifier: Apache-2.0
# Thrust's headers (Debian: libthrust-dev; or the CCCL of a CUDA toolkit), and a target for each device system of the host whose runtime
# is found: tilt_thrust::cpp (one thread), tilt_thrust::omp, tilt_thrust::tbb. tilt_thrust::system is the one that TILT_THRUST_SYSTEM
# names, or else the first of TBB, OMP, CPP. A program has one device system; two in one executable break the one-definition rule.
set(TILT_THRUST_SYSTEM "" CACHE STRING "Thrust's device system on the host, TBB, OMP or CPP; empty: the first of them that is found")
find_path(TILT_THRUST_INCLUDE thrust/version.h PATHS /usr/local/cuda/include/cccl ENV CUDA_PATH PATH_SUFFIXES include/cccl
  DOC "Folder of Thrust's headers for the host")
find_package(Threads QUIET)
find_package(TBB QUIET)
find_package(OpenMP QUIET COMPONENTS CXX)
if(TILT_THRUST_INCLUDE AND NOT TARGET tilt_thrust::cpp)
  foreach(tilt_thrust_item IN ITEMS CPP: OMP:OpenMP::OpenMP_CXX TBB:TBB::tbb)
    string(REGEX MATCH "^([A-Z]+):(.*)$" tilt_thrust_item "${tilt_thrust_item}")
    if(NOT CMAKE_MATCH_2 OR TARGET ${CMAKE_MATCH_2})
      string(TOLOWER ${CMAKE_MATCH_1} tilt_thrust_item)
      add_library(tilt_thrust::${tilt_thrust_item} INTERFACE IMPORTED GLOBAL)
      set_target_properties(tilt_thrust::${tilt_thrust_item} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TILT_THRUST_INCLUDE}"
        INTERFACE_COMPILE_DEFINITIONS "THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_${CMAKE_MATCH_1}" INTERFACE_LINK_LIBRARIES "${CMAKE_MATCH_2}")
    endif()
  endforeach()
  string(TOLOWER "${TILT_THRUST_SYSTEM}" tilt_thrust_wanted)
  foreach(tilt_thrust_item IN LISTS tilt_thrust_wanted ITEMS tbb omp cpp)
    if(TARGET tilt_thrust::${tilt_thrust_item} AND NOT TARGET tilt_thrust::system)
      add_library(tilt_thrust::system INTERFACE IMPORTED GLOBAL)
      set_target_properties(tilt_thrust::system PROPERTIES INTERFACE_LINK_LIBRARIES tilt_thrust::${tilt_thrust_item})
    elseif(TILT_THRUST_SYSTEM AND NOT TARGET tilt_thrust::system)
      break()  # what was asked for was not found
    endif()
  endforeach()
endif()
unset(tilt_thrust_item)
unset(tilt_thrust_wanted)
