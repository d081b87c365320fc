/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat keys: the vocabulary of unit files, from the table that reads them.
 */
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "cli/commands.h"
#include "unit/keys.h"
#include "util/file.h"
#include "util/str.h"

#define KEYS_USAGE 2
#define KEYS_OUTPUT_MAX_BYTES (1024 * 1024)

static const char usage[] =
	"usage: cleat keys [KEY]\n"
	"       cleat keys --markdown | --fuzz-dictionary\n"
	"\n"
	"Lists the keys of unit files and what becomes of each; KEY tells all about one.\n";

static void write_list(struct buf *out)
{
	for (size_t i = 0; i < key_count(); i++)
		buf_printf(out, "%-10s %-26s %-9s %s\n", key_at(i)->section, key_at(i)->name,
			   key_state_name(key_at(i)->state), key_at(i)->help);
}

static void write_key(struct buf *out, const struct key *key)
{
	buf_printf(out, "[%s] %s=\n  %s\n  %s", key->section, key->name, key->help,
		   key_state_name(key->state));
	if (key->reason[0])
		buf_printf(out, ": %s", key->reason);
	buf_printf(out, "\n  example: %s=%s\n", key->name, key->example);
	if (key->flag[0])
		buf_printf(out, "  podman run: %s\n", key->flag);
}

static bool write_named(struct buf *out, const char *name)
{
	bool is_found = false;

	for (size_t i = 0; i < key_count(); i++)
		if (strcasecmp(key_at(i)->name, name) == 0) {
			write_key(out, key_at(i));
			is_found = true;
		}
	if (!is_found) {
		auto_buf hint = BUF_INIT(512);

		key_suggest("Container", name, &hint);
		fprintf(stderr, "cleat keys: %s: unknown key%s\n", name, buf_str(&hint));
	}
	return is_found;
}

int cmd_keys(int argc, char **argv)
{
	auto_buf out = BUF_INIT(KEYS_OUTPUT_MAX_BYTES);
	struct err err;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-' && !str_starts(argv[1], "--"))) {
		fputs(usage, stderr);
		return KEYS_USAGE;
	}
	if (argc == 1) {
		write_list(&out);
	} else if (str_eq(argv[1], "--markdown")) {
		keys_write_markdown(&out);
	} else if (str_eq(argv[1], "--fuzz-dictionary")) {
		keys_write_dictionary(&out);
	} else if (argv[1][0] == '-') {
		bool is_help = str_eq(argv[1], "--help");

		fputs(usage, is_help ? stdout : stderr);
		return is_help ? 0 : KEYS_USAGE;
	} else if (!write_named(&out, argv[1])) {
		return 1;
	}
	if (buf_check(&out, "keys", &err) < 0 ||
	    file_write_all(STDOUT_FILENO, out.data, out.len, &err) < 0) {
		fprintf(stderr, "cleat keys: %s\n", err.msg);
		return 1;
	}
	return 0;
}
