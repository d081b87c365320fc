/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Search domains as labels with their lengths (RFC 1035 3.1, without compression), as router advertisements (RFC 8106) and DHCPv6 (RFC 3646) carry them. Pure. */
#include <stddef.h>
#include <stdint.h>

/* Appends to out, which holds names separated by blanks, those that may stand in resolv.conf and fit. It ends at the first that is none. */
void domain_list_read(const uint8_t *data, size_t len, char *out, size_t size);
