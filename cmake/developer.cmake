# SPDX-License-Identifier: Apache-2.0
# Flags of this project's own tests, examples, benchmarks and program. Nothing here reaches a consumer.
include(CheckCXXSourceCompiles)

# What -march=${TILT_ARCH} means on this machine ("native" names no instruction set), for `tilt --version`.
function(tilt_name_arch result)
  set(name "${TILT_ARCH}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=${TILT_ARCH} -Q --help=target OUTPUT_VARIABLE output ERROR_QUIET)
    if(output MATCHES "-march=[ \t]+([^ \t\n]+)")
      set(name "${CMAKE_MATCH_1}")
    endif()
  elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=${TILT_ARCH} -E -x c++ "-###" /dev/null OUTPUT_QUIET ERROR_VARIABLE output)
    if(output MATCHES "\"-target-cpu\" \"([^\"]+)\"")
      set(name "${CMAKE_MATCH_1}")
    endif()
  endif()
  set(${result} "${name}" PARENT_SCOPE)
endfunction()

# What g++ 12 needs where the instruction set has AVX-512: its own intrinsics look uninitialised to it (GCC bug 105593), and its vectoriser
# of straight-line code breaks down on Thrust over TBB.
set(tilt_avx512_options)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(CMAKE_REQUIRED_FLAGS)
  if(TILT_ARCH)
    set(CMAKE_REQUIRED_FLAGS "-march=${TILT_ARCH}")
  endif()
  check_cxx_source_compiles("#ifndef __AVX512F__\n#error\n#endif\nint main() {}" TILT_ARCH_HAS_AVX512)
  unset(CMAKE_REQUIRED_FLAGS)
  if(TILT_ARCH_HAS_AVX512)
    set(tilt_avx512_options -Wno-uninitialized -Wno-maybe-uninitialized -fno-tree-slp-vectorize)
  endif()
endif()

# tilt_developer(<target>): our language mode, warnings and instruction set.
# -ffp-contract=off: where a product and a sum are one operation, the code says so (multiply_add), and every compiler agrees.
function(tilt_developer target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CUDA_RUNTIME_LIBRARY Shared)
  target_compile_features(${target} PRIVATE cxx_std_20)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    set(arch $<$<BOOL:${TILT_ARCH}>:-march=${TILT_ARCH}>)
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wshadow;-Werror;-ffp-contract=off;${arch};${tilt_avx512_options}>")
    # CMake 3.25 knows no C++20 of nvcc. What nvcc hands to the host's compiler has parentheses that nobody wrote.
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-std=c++20 -Werror all-warnings>"
      "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wno-parentheses,-ffp-contract=off$<$<BOOL:${TILT_ARCH}>:,-march=${TILT_ARCH}>>")
  endif()
endfunction()

# tilt_program(NAME <name> SOURCES <file>... [LIBRARIES <target>...] [OUTPUT <name>] [FOLDER <folder>]): a program of ours, in the
# build's <folder> (bin). It is left out, with a message, where one of its libraries does not exist.
function(tilt_program)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;OUTPUT;FOLDER" "SOURCES;LIBRARIES")
  tilt_missing_library(missing ${arg_LIBRARIES})
  if(missing)
    message(STATUS "${arg_NAME} is left out: it needs ${missing}")
    return()
  endif()
  if(NOT arg_FOLDER)
    set(arg_FOLDER bin)
  endif()
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT ${arg_NAME})
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE tilt::tilt ${arg_LIBRARIES})
  tilt_developer(${arg_NAME})
  set_target_properties(${arg_NAME} PROPERTIES OUTPUT_NAME ${arg_OUTPUT} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${arg_FOLDER}")
endfunction()

# The first of the given targets that does not exist, or nothing.
function(tilt_missing_library result)
  set(${result} "" PARENT_SCOPE)
  foreach(library IN LISTS ARGN)
    if(library MATCHES "::" AND NOT TARGET ${library})
      set(${result} ${library} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()
