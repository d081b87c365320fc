/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reboot, poweroff, halt, and "systemctl" of the same: a signal to the appliance's PID 1 (init/README.md has the table), which stops the
 * containers in order; with -f it does not wait for them. Must never signal another machine's PID 1.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/personality.h"
#include "unit/unit.h"
#include "util/arena.h"
#include "util/ending.h"
#include "util/str.h"

static const struct {
	const char *name;
	int signal;
} ends[] = { { "halt", ENDING_HALT },
	     { "poweroff", ENDING_POWEROFF },
	     { "reboot", ENDING_REBOOT } };

static int signal_of(const char *name)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (str_eq(name, ends[i].name))
			return ends[i].signal;
	return 0;
}

/* That PID 1 is ours to signal: the root is the appliance's. */
static bool is_appliance(void)
{
	struct arena arena = { 0 };
	struct unit_facts facts;
	bool is;

	unit_facts_init(&facts, &arena, NULL);
	is = str_eq(facts.os_id, "cleat");
	arena_fini(&arena);
	return is;
}

int personality_end(int argc, char **argv)
{
	int number = signal_of(argv[0]);

	for (int i = 1; i < argc; i++) {
		if (!str_eq(argv[i], "-f") && !str_eq(argv[i], "--force")) {
			fprintf(stderr, "%s: %s: not known here; -f does not wait for containers\n",
				argv[0], argv[i]);
			return 1;
		}
		if (number < ENDING_HALT + ENDING_FORCE)
			number += ENDING_FORCE;
	}
	if (!is_appliance()) {
		fprintf(stderr,
			"%s: this is no appliance of ours: ID= of /etc/os-release is not \"cleat\"\n",
			argv[0]);
		return 1;
	}
	if (kill(1, number) == 0)
		return 0;
	perror(argv[0]);
	return 1;
}

int personality_end_call(const struct personality_call *call)
{
	return personality_end(call->argc, call->argv);
}
