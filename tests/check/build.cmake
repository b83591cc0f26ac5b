# SPDX-License-Identifier: Apache-2.0
# Configures PRESET of SOURCE in BINARY, builds TARGETS (separated by commas) and runs the tests with one of LABELS (separated by |).
function(run)
  execute_process(COMMAND ${ARGV} WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}: exit status ${status}")
  endif()
endfunction()

string(REPLACE "," ";" targets "${TARGETS}")
run(${CMAKE_COMMAND} --preset ${PRESET} -B "${BINARY}" -G ${GENERATOR} -DTILT_BUILD_EXAMPLES=OFF -DTILT_BUILD_BENCH=OFF)
run(${CMAKE_COMMAND} --build "${BINARY}" --parallel ${PROCESSORS} --target ${targets})
if(LABELS)
  run(${CMAKE_CTEST_COMMAND} --test-dir "${BINARY}" --output-on-failure --no-tests=error --parallel ${PROCESSORS} -L "^(${LABELS})$")
endif()
