# SPDX-License-Identifier: Apache-2.0
# Fails unless tilt/tilt.hpp includes every header under INCLUDE but those that match EXCLUDE.
file(GLOB_RECURSE headers "${INCLUDE}/*.hpp")
list(FILTER headers EXCLUDE REGEX "${EXCLUDE}|/tilt/tilt\\.hpp$")
list(TRANSFORM headers REPLACE "^${INCLUDE}/" "")
file(READ "${INCLUDE}/tilt/tilt.hpp" umbrella)
foreach(header IN LISTS headers)
  string(FIND "${umbrella}" "#include <${header}>" at)
  if(at EQUAL -1)
    message(SEND_ERROR "include/tilt/tilt.hpp lacks #include <${header}>")
  endif()
endforeach()
