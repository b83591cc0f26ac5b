# SPDX-License-Identifier: Apache-2.0
# Fails unless tilt/tilt.hpp includes every header under INCLUDE but those of tilt/io/.
file(GLOB_RECURSE headers RELATIVE "${INCLUDE}" "${INCLUDE}/*.hpp")
list(FILTER headers EXCLUDE REGEX "^tilt/io/|^tilt/tilt.hpp$")
file(READ "${INCLUDE}/tilt/tilt.hpp" umbrella)
foreach(header IN LISTS headers)
  string(FIND "${umbrella}" "#include <${header}>" at)
  if(at EQUAL -1)
    message(SEND_ERROR "include/tilt/tilt.hpp lacks #include <${header}>")
  endif()
endforeach()
