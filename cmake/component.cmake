# SPDX-License-Identifier: Apache-2.0
# tilt_component(<name> BASE <folder> [ONLY|EXCLUDE <regex>] [DEPENDENCIES <file> LIBRARIES <target>...])
#
# Defines the header-only target tilt::<name> with the headers under <folder>. A component other than tilt itself links tilt::tilt
# and its LIBRARIES, which the find_package calls in the file DEPENDENCIES provide; the installed package runs the same file. If one
# of the libraries is missing, the component does not exist and a message says so.
function(tilt_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BASE;ONLY;EXCLUDE;DEPENDENCIES" "LIBRARIES")
  set(target tilt_${name})
  if(name STREQUAL "tilt")
    set(target tilt)
  endif()

  if(arg_DEPENDENCIES)
    set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)  # found in this folder, linked by whoever links the component
    include(${arg_DEPENDENCIES})
  endif()
  foreach(library IN LISTS arg_LIBRARIES)
    if(NOT TARGET ${library})
      message(STATUS "tilt::${name} is left out: ${library} was not found")
      return()
    endif()
  endforeach()

  cmake_path(ABSOLUTE_PATH arg_BASE BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE OUTPUT_VARIABLE base)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${base}/*.hpp")
  if(arg_ONLY)
    list(FILTER headers INCLUDE REGEX "${arg_ONLY}")
  endif()
  if(arg_EXCLUDE)
    list(FILTER headers EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()

  add_library(${target} INTERFACE)
  add_library(tilt::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} INTERFACE cxx_std_20)
  target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS "${base}" FILES ${headers})
  if(NOT name STREQUAL "tilt")
    target_link_libraries(${target} INTERFACE tilt::tilt ${arg_LIBRARIES})
  endif()

  if(TILT_INSTALL)
    set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/tilt)
    install(TARGETS ${target} EXPORT ${target} FILE_SET HEADERS COMPONENT development)
    install(EXPORT ${target} NAMESPACE tilt:: DESTINATION ${folder} FILE tilt-${name}-targets.cmake COMPONENT development)
    if(arg_DEPENDENCIES)
      file(READ "${arg_DEPENDENCIES}" dependencies)
      set(file "${PROJECT_BINARY_DIR}/tilt-${name}-dependencies.cmake")
      file(CONFIGURE OUTPUT "${file}" CONTENT "@dependencies@set(tilt_libraries @arg_LIBRARIES@)\n" @ONLY)
      install(FILES "${file}" DESTINATION ${folder} COMPONENT development)
    endif()
  endif()
endfunction()

# The files that find_package(tilt) reads, beside those of the components.
function(tilt_install_package)
  include(CMakePackageConfigHelpers)
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/tilt-config-version.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
  install(FILES "${PROJECT_SOURCE_DIR}/cmake/tilt-config.cmake" "${PROJECT_BINARY_DIR}/tilt-config-version.cmake"
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tilt COMPONENT development)
endfunction()
