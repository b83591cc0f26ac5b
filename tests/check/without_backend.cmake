# SPDX-License-Identifier: Apache-2.0
# Takes backends/BACKEND out of a copy of SOURCE, configures all of it, builds one program of its conformance tests and runs it.
cmake_minimum_required(VERSION 3.25)
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}: exit status ${status}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(copy "${BINARY}/source")
file(REMOVE_RECURSE "${BINARY}")
foreach(part CMakeLists.txt LICENSE README.md backends bench cmake docs examples include tests)
  file(COPY "${SOURCE}/${part}" DESTINATION "${copy}")
endforeach()
file(REMOVE_RECURSE "${copy}/backends/${BACKEND}")

# Nothing is optimised: the question is whether it builds.
run(${CMAKE_COMMAND} -S "${copy}" -B "${BINARY}/build" -G ${GENERATOR} "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}"
  "-DCMAKE_CXX_FLAGS=-O0" -DTILT_ARCH=)
string(FIND "${output}" "tilt::${BACKEND} is left out" said)
if(said EQUAL -1)
  message(FATAL_ERROR "The configuration does not say that tilt::${BACKEND} is left out:\n${output}")
endif()
set(program test_conformance_fused_calls)  # the quickest to compile
run(${CMAKE_COMMAND} --build "${BINARY}/build" --target ${program})
run("${BINARY}/build/tests/conformance/${program}")
