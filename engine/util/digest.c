/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: padding and buffering here, the compression by the CPU (digest_cpu.c) or by Mbed TLS
 * (which uses ARMv8's instructions by itself). Must never accept a digest string of another
 * algorithm, length or case: digests become file names.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* the state goes in and out of Mbed TLS's context */
#include "util/digest.h"

#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/digest_internal.h"
#include "util/str.h"

static const uint32_t sha256_start[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

void sha256_blocks_generic(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	mbedtls_sha256_context ctx;

	mbedtls_sha256_init(&ctx);
	memcpy(ctx.state, state, sizeof(ctx.state));
	for (; count > 0; count--, blocks += 64) {
		/* Only a hardware driver could fail, and a wrong digest must not be possible. */
		if (mbedtls_internal_sha256_process(&ctx, blocks) != 0) {
			fputs("sha256: Mbed TLS failed\n", stderr);
			abort();
		}
	}
	memcpy(state, ctx.state, sizeof(ctx.state));
	mbedtls_sha256_free(&ctx);
}

static void sha256_blocks(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	if (count == 0)
		return;
	if (sha256_cpu_has())
		sha256_blocks_cpu(state, blocks, count);
	else
		sha256_blocks_generic(state, blocks, count);
}

void sha256_init(struct sha256 *s)
{
	memcpy(s->state, sha256_start, sizeof(s->state));
	s->total_bytes = 0;
	s->fill = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len == 0)
		return;
	s->total_bytes += len;
	if (s->fill > 0) {
		size_t n = sizeof(s->block) - s->fill;

		if (n > len)
			n = len;
		memcpy(s->block + s->fill, p, n);
		s->fill += n;
		p += n;
		len -= n;
		if (s->fill < sizeof(s->block))
			return;
		sha256_blocks(s->state, s->block, 1);
		s->fill = 0;
	}
	if (len >= 64)
		sha256_blocks(s->state, p, len / 64);
	s->fill = len % 64;
	if (s->fill > 0)
		memcpy(s->block, p + len - s->fill, s->fill);
}

void sha256_final(struct sha256 *s, uint8_t out[32])
{
	uint64_t bits = s->total_bytes * 8;

	s->block[s->fill++] = 0x80;
	if (s->fill > 56) {
		memset(s->block + s->fill, 0, sizeof(s->block) - s->fill);
		sha256_blocks(s->state, s->block, 1);
		s->fill = 0;
	}
	memset(s->block + s->fill, 0, 56 - s->fill);
	put_be32(s->block + 56, (uint32_t)(bits >> 32));
	put_be32(s->block + 60, (uint32_t)bits);
	sha256_blocks(s->state, s->block, 1);
	for (size_t i = 0; i < 8; i++)
		put_be32(out + 4 * i, s->state[i]);
	sha256_init(s);
}

void digest_final(struct sha256 *s, char *out)
{
	uint8_t raw[32];

	sha256_final(s, raw);
	str_copy(out, 8, "sha256:");
	str_hex(raw, sizeof(raw), out + 7);
}

void digest_of(const void *data, size_t len, char *out)
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, data, len);
	digest_final(&s, out);
}

bool digest_is_valid(const char *s)
{
	return str_starts(s, "sha256:") && str_is_hex(s + 7, SHA256_HEX_LEN);
}
