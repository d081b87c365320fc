/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <linux/filter.h>
#include <stddef.h>

/*
 * The same filter, with system calls of one fate found as ranges of numbers: podman's profile has some 450 of them in 70 ranges.
 * The kernel translates a filter anew for every process that loads one, so its length is paid at each start and at each probe.
 * Gives the same verdict as "in" for every struct seccomp_data. Returns the new length; 0 when "in" is of a form that is not
 * known here (it has to be used as it is), or would not get shorter. Allocates.
 */
size_t seccomp_ranges(const struct sock_filter *in, size_t count, struct sock_filter *out,
		      size_t room);
