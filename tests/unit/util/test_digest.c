/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 against the vectors of FIPS 180-4 and NIST's CAVP, and the two implementations against
 * each other. */
#include "unit_test.h"

#include <mbedtls/sha256.h>

#include "util/digest.h"
#include "util/digest_internal.h"
#include "util/str.h"

static const struct {
	const char *text, *hex;
} vectors[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};

static void nist_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char out[DIGEST_STR_LEN + 1];

		digest_of(vectors[i].text, strlen(vectors[i].text), out);
		assert_memory_equal(out, "sha256:", 7);
		assert_string_equal(out + 7, vectors[i].hex);
		assert_true(digest_is_valid(out));
	}
}

static void a_million_times_a(void **state)
{
	char out[DIGEST_STR_LEN + 1], chunk[1000];
	struct sha256 s;

	(void)state;
	memset(chunk, 'a', sizeof(chunk));
	sha256_init(&s);
	for (int i = 0; i < 1000; i++)
		sha256_update(&s, chunk, sizeof(chunk));
	digest_final(&s, out);
	assert_string_equal(
		out, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void fill_random(uint8_t *data, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)next_random(&seed);
}

static void any_split_gives_the_same_digest(void **state)
{
	uint8_t data[3000];
	uint32_t seed = 4711;

	(void)state;
	fill_random(data, sizeof(data), 1);
	for (int round = 0; round < 500; round++) {
		size_t len = next_random(&seed) % sizeof(data), at = 0;
		char whole[DIGEST_STR_LEN + 1], pieces[DIGEST_STR_LEN + 1];
		struct sha256 s;

		digest_of(data, len, whole);
		sha256_init(&s);
		while (at < len) {
			size_t n = next_random(&seed) % 200;

			if (n > len - at)
				n = len - at;
			sha256_update(&s, data + at, n);
			at += n;
		}
		digest_final(&s, pieces);
		assert_string_equal(whole, pieces);
	}
}

/* All lengths around the padding's edges, one update a byte, against Mbed TLS's own padding. */
static void every_length_around_the_block_edges(void **state)
{
	uint8_t data[260];

	(void)state;
	fill_random(data, sizeof(data), 2);
	for (size_t len = 0; len <= sizeof(data); len++) {
		char whole[DIGEST_STR_LEN + 1], bytes[DIGEST_STR_LEN + 1], other[65];
		unsigned char raw[32];
		struct sha256 s;

		digest_of(data, len, whole);
		sha256_init(&s);
		for (size_t i = 0; i < len; i++)
			sha256_update(&s, data + i, 1);
		digest_final(&s, bytes);
		assert_string_equal(whole, bytes);
		assert_int_equal(mbedtls_sha256(data, len, raw, 0), 0);
		str_hex(raw, sizeof(raw), other);
		assert_string_equal(whole + 7, other);
	}
}

static void state_is_fresh_after_final(void **state)
{
	char out[DIGEST_STR_LEN + 1];
	struct sha256 s;

	(void)state;
	sha256_init(&s);
	sha256_update(&s, "abc", 3);
	digest_final(&s, out);
	sha256_update(&s, "abc", 3);
	digest_final(&s, out);
	assert_string_equal(out + 7, vectors[1].hex);
}

static void raw_and_text_form_agree(void **state)
{
	struct sha256 s;
	uint8_t raw[32];

	(void)state;
	sha256_init(&s);
	sha256_update(&s, "abc", 3);
	sha256_final(&s, raw);
	assert_int_equal(raw[0], 0xba);
	assert_int_equal(raw[31], 0xad);
}

static void implementations_agree(void **state)
{
	static const uint8_t abc_block[64] = { 'a', 'b', 'c', 0x80, [63] = 24 };
	uint32_t generic[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	uint32_t cpu[8];
	uint8_t data[64 * 17 + 1];

	(void)state;
	memcpy(cpu, generic, sizeof(cpu));
	sha256_blocks_generic(generic, abc_block, 1);
	assert_int_equal(generic[0], 0xba7816bf);
	assert_int_equal(generic[7], 0xf20015ad);
	if (!sha256_cpu_has()) {
		print_message("this CPU has no SHA instructions: only Mbed TLS is tested\n");
		return;
	}
	sha256_blocks_cpu(cpu, abc_block, 1);
	assert_memory_equal(cpu, generic, sizeof(cpu));
	fill_random(data, sizeof(data), 3);
	for (size_t count = 0; count <= 17; count++) {
		/* off by one: layers are not aligned */
		sha256_blocks_generic(generic, data + count % 2, count);
		sha256_blocks_cpu(cpu, data + count % 2, count);
		assert_memory_equal(cpu, generic, sizeof(cpu));
	}
}

static void only_lower_case_sha256_is_valid(void **state)
{
	char good[] = "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

	(void)state;
	assert_true(digest_is_valid(good));
	good[10] = 'A';
	assert_false(digest_is_valid(good));
	good[10] = 'a';
	good[DIGEST_STR_LEN - 1] = '\0';
	assert_false(digest_is_valid(good));
	assert_false(digest_is_valid(""));
	assert_false(digest_is_valid("sha256:"));
	assert_false(digest_is_valid(
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
	assert_false(digest_is_valid(
		"SHA256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
	assert_false(digest_is_valid(
		"sha512:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
	assert_false(digest_is_valid(
		"sha256:../76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
	assert_false(digest_is_valid(
		"sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd00"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nist_vectors),
		cmocka_unit_test(a_million_times_a),
		cmocka_unit_test(any_split_gives_the_same_digest),
		cmocka_unit_test(every_length_around_the_block_edges),
		cmocka_unit_test(state_is_fresh_after_final),
		cmocka_unit_test(raw_and_text_form_agree),
		cmocka_unit_test(implementations_agree),
		cmocka_unit_test(only_lower_case_sha256_is_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
