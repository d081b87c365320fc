/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's records of networks (what is attached, leases) and the appliance's resolv.conf. Oracle beside the sanitizers: what is
 * accepted comes back as the same text from its own text, a refusal keeps nothing, and a container's resolv.conf has no line that does
 * not begin with one of three words.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/names.h"
#include "net/plan.h"
#include "tests/fuzz/fuzz.h"
#include "util/str.h"

static void try_attached(const char *text)
{
	struct net_attached one = { 0 }, two = { 0 };
	auto_buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20), words = BUF_INIT(1 << 22);
	struct err err;

	if (net_attached_parse(text, &one, &err) < 0) {
		check(one.end_count == 0 && one.port_count == 0, "a refusal keeps nothing");
		return;
	}
	net_attached_format(&one, &first);
	check(net_attached_parse(buf_str(&first), &two, &err) == 0, "its text is accepted");
	net_attached_format(&two, &second);
	check(str_eq(buf_str(&first), buf_str(&second)), "its text is the same");
	for (size_t i = 0; i < one.end_count; i++)
		net_end_words(&one.ends[i], true, &words);
	(void)net_proxy_words(&one, false, true, &words);
	net_attached_fini(&one);
	net_attached_fini(&two);
}

static void try_leases(const char *text)
{
	struct net_leases one = { 0 }, two = { 0 };
	auto_buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
	struct err err;

	if (net_leases_parse(&one, text, &err) == 0) {
		net_leases_format(&one, false, &first);
		check(net_leases_parse(&two, buf_str(&first), &err) == 0, "its text is accepted");
		net_leases_format(&two, false, &second);
		check(str_eq(buf_str(&first), buf_str(&second)), "its text is the same");
	} else {
		check(one.address_count + one.port_count + one.subnet_count == 0,
		      "a refusal keeps nothing");
	}
	net_leases_fini(&one);
	net_leases_fini(&two);
}

static void try_resolv(const char *text)
{
	auto_buf out = BUF_INIT(NAMES_MAX_BYTES);
	struct names_resolv wish = { .base = text };
	const char *line;

	names_resolv_text(&wish, &out);
	line = buf_str(&out);
	while (*line) {
		const char *end = strchr(line, '\n');

		check(end && (str_starts(line, "nameserver ") || str_starts(line, "search ") ||
			      str_starts(line, "options ")),
		      "each line begins with a word of ours");
		line = end + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	try_attached(text);
	try_leases(text);
	try_resolv(text);
	free(text);
	return 0;
}
