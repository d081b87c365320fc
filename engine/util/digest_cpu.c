/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by x86's SHA extensions: some six times the speed of portable C, and hashing is the
 * slowest step of unpacking otherwise. The build's baseline stays x86-64-v1, so the functions here
 * carry their own target and sha256_cpu_has() must be asked first. Elsewhere the answer is no.
 */
#include "util/digest_internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static const uint32_t round_constants[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static bool cpu_probe(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
		return false;
	/* Leaf 7 names the SHA extensions in bit 29 of ebx. */
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}

bool sha256_cpu_has(void)
{
	static int known = -1;

	if (known < 0)
		known = cpu_probe();
	return known;
}

#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))

/* Words t..t+3 of the message schedule from the sixteen before them, m[0] the oldest four. */
SHA_TARGET static inline __m128i schedule(const __m128i m[4])
{
	__m128i w = _mm_sha256msg1_epu32(m[0], m[1]);

	w = _mm_add_epi32(w, _mm_alignr_epi8(m[3], m[2], 4));
	return _mm_sha256msg2_epu32(w, m[3]);
}

SHA_TARGET static inline void four_rounds(__m128i *abef, __m128i *cdgh, __m128i words, size_t t)
{
	const __m128i *k = (const __m128i *)(const void *)&round_constants[t];
	__m128i wk = _mm_add_epi32(words, _mm_load_si128(k));

	*cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
	*abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

SHA_TARGET static void one_block(__m128i *abef, __m128i *cdgh, const uint8_t *block)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i m[4], a = *abef, c = *cdgh;

	for (size_t i = 0; i < 4; i++) {
		m[i] = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
		m[i] = _mm_shuffle_epi8(m[i], swap);
		four_rounds(&a, &c, m[i], 4 * i);
	}
	for (size_t t = 16; t < 64; t += 4) {
		__m128i next = schedule(m);

		m[0] = m[1];
		m[1] = m[2];
		m[2] = m[3];
		m[3] = next;
		four_rounds(&a, &c, next, t);
	}
	*abef = _mm_add_epi32(*abef, a);
	*cdgh = _mm_add_epi32(*cdgh, c);
}

SHA_TARGET void sha256_blocks_cpu(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	/* The instructions want (a, b, e, f) and (c, d, g, h), the highest lane first. */
	__m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
	__m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);

	for (; count > 0; count--, blocks += 64)
		one_block(&abef, &cdgh, blocks);
	state[0] = (uint32_t)_mm_extract_epi32(abef, 3);
	state[1] = (uint32_t)_mm_extract_epi32(abef, 2);
	state[4] = (uint32_t)_mm_extract_epi32(abef, 1);
	state[5] = (uint32_t)_mm_extract_epi32(abef, 0);
	state[2] = (uint32_t)_mm_extract_epi32(cdgh, 3);
	state[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
	state[6] = (uint32_t)_mm_extract_epi32(cdgh, 1);
	state[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

#else

bool sha256_cpu_has(void)
{
	return false;
}

void sha256_blocks_cpu(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	sha256_blocks_generic(state, blocks, count);
}

#endif
