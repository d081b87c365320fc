/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ready filters. Must never be anything but what seccomp_compile() makes of the profiles with those digests: a test
 * compares them, and a profile that has changed has another digest.
 */
#include "runtime/seccomp_ready.h"

#include <linux/filter.h>

#include "util/str.h"

#if defined(__x86_64__)

#define KEY(text) text
#define INSN(code, jt, jf, k)
static const char default_key[] =
#include "../../appliance/seccomp/ready_default_x86_64.def"
	;
static const char none_key[] =
#include "../../appliance/seccomp/ready_none_x86_64.def"
	;
#undef KEY
#undef INSN

#define KEY(text)
#define INSN(code, jt, jf, k) { code, jt, jf, k },
static const struct sock_filter default_filter[] = {
#include "../../appliance/seccomp/ready_default_x86_64.def"
};
static const struct sock_filter none_filter[] = {
#include "../../appliance/seccomp/ready_none_x86_64.def"
};

bool seccomp_ready(const char *key, const void **out, size_t *count)
{
	if (str_eq(key, default_key)) {
		*out = default_filter;
		*count = sizeof(default_filter) / sizeof(default_filter[0]);
		return true;
	}
	if (str_eq(key, none_key)) {
		*out = none_filter;
		*count = sizeof(none_filter) / sizeof(none_filter[0]);
		return true;
	}
	return false;
}

#else

bool seccomp_ready(const char *key, const void **out, size_t *count)
{
	(void)key;
	(void)out;
	(void)count;
	return false;
}

#endif
