// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything that needs only the standard library, in the order in which it builds up. Files are in <tilt/io/...>, backends in
// <tilt/backend/...>. A program that uses one thing includes that thing's own header.
#include <tilt/error.hpp>
#include <tilt/version.hpp>

#include <tilt/scalar/config.hpp>

#include <tilt/tensor/packed_trees.hpp>
#include <tilt/tensor/view.hpp>

#include <tilt/model/config.hpp>
