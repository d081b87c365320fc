/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* SHA-256 (FIPS 180-4), streaming; by the CPU's SHA instructions where it has them (runtime check),
 * otherwise Mbed TLS. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX_LEN 64
#define DIGEST_STR_LEN (7 + SHA256_HEX_LEN) /* "sha256:" + hex */

struct sha256 {
	uint32_t state[8];
	uint64_t total_bytes;
	uint8_t block[64];
	size_t fill;
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, uint8_t out[32]);
/* "sha256:<hex>" of a buffer; out has DIGEST_STR_LEN + 1 bytes. */
void digest_of(const void *data, size_t len, char *out);
void digest_final(struct sha256 *s, char *out);
/* True for "sha256:" + 64 lower-case hex digits, nothing else. */
bool digest_is_valid(const char *s);
