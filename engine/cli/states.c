/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat states": the states that a unit can be in and the ways between them, straight from the
 * supervisor's own table. Must never say anything that the table does not.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "supervise/core.h"
#include "util/str.h"

#define STATES_MAX_BYTES (64 * 1024)

static const char usage[] =
	"usage: cleat states --dot\n"
	"Prints the supervisor's states and transitions as Graphviz (for dot -Tsvg).\n";

int cmd_states(int argc, char **argv)
{
	auto_buf dot = BUF_INIT(STATES_MAX_BYTES);

	if (argc == 2 && str_eq(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	if (argc != 2 || !str_eq(argv[1], "--dot")) {
		fputs(usage, stderr);
		return 2;
	}
	core_states_dot(&dot);
	if (dot.failed || fputs(buf_str(&dot), stdout) < 0 || fflush(stdout) != 0) {
		perror("cleat states");
		return 1;
	}
	return 0;
}
