// SPDX-License-Identifier: Apache-2.0
#include <tilt/backend/xtensor_packet.hpp>
#define TILT_TESTED tilt::xtensor_packet<float>, "xtensor packet float"
#include <conformance/packet_suite.hpp>
