/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <yyjson.h>

#include "util/err.h"

/* Writes the filter of an OCI "linux.seccomp" object to fd, as struct sock_filter[]. Native
 * architecture only; calls of another one (32-bit, x32) kill the process. Names that this
 * machine has no system call for are skipped, as the specification wants. Allocates freely: for
 * processes that end soon. */
int seccomp_compile(yyjson_val *profile, int fd, struct err *err) MUST_CHECK;
