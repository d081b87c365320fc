/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The filters that nearly all containers have, compiled when this program was built: of the default profile with the default
 * capabilities, and with none (DropCapability=ALL). Compiling one would be a tenth of the way from PID 1's first line to the
 * first container. Of other profiles, and of machines without appliance/seccomp/ready_*_ARCH.def, there is none.
 */
#include <stdbool.h>
#include <stddef.h>

/* key: sha256 of the profile's text, in hex. out: struct sock_filter[], for good. */
bool seccomp_ready(const char *key, const void **out, size_t *count);
