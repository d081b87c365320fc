/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat greeting": three lines for whoever opens a shell in the appliance. Reads what was published and asks nobody: a shell must open at
 * once, whatever has become of the engine.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

static bool is_well(const struct published_unit *u)
{
	return u->state == PUBLISHED_UP && u->health != PUBLISHED_UNHEALTHY;
}

static bool is_in_trouble(const struct published_unit *u)
{
	switch ((enum published_state)u->state) {
	case PUBLISHED_INVALID:
	case PUBLISHED_FAILED:
	case PUBLISHED_NO_IMAGE:
	case PUBLISHED_START_LIMIT:
	case PUBLISHED_BACKOFF:
		return true;
	case PUBLISHED_UP:
		return u->health == PUBLISHED_UNHEALTHY;
	case PUBLISHED_DOWN:
	case PUBLISHED_WAITING:
	case PUBLISHED_PULLING:
	case PUBLISHED_STARTING:
	case PUBLISHED_STOPPING:
		break;
	}
	return false;
}

/* "2 of 3 containers are up; web: failed" */
static void print_units(const struct published_unit *units, unsigned count)
{
	const struct published_unit *worst = NULL;
	unsigned up = 0, trouble = 0;

	for (unsigned i = 0; i < count; i++) {
		up += is_well(&units[i]);
		if (!is_in_trouble(&units[i]))
			continue;
		if (!worst)
			worst = &units[i];
		trouble++;
	}
	printf("%u of %u container%s %s up", up, count, count == 1 ? "" : "s",
	       count == 1 ? "is" : "are");
	if (worst)
		printf("; %.40s: %s", worst->name,
		       worst->state == PUBLISHED_UP ? "unhealthy" :
						      published_state_name(worst->state));
	if (trouble > 1)
		printf(", and %u more", trouble - 1);
	printf("\n");
}

/* header: filled, or left as it is when nothing has been published. */
static void print_state(struct published_header *header)
{
	struct published_unit *units;
	unsigned count;
	struct err err;

	if (cli_read_published(header, &units, &count, &err) < 0) {
		printf("Cleat %s: the engine has not said anything yet\n", CLEAT_VERSION);
		return;
	}
	printf("Cleat %s on %s: ", header->version, header->hostname);
	if (!header->engine_start_ticks ||
	    proc_start_ticks((pid_t)header->engine_pid) != header->engine_start_ticks)
		printf("the engine is not running; it said last: ");
	else if (header->safe_mode)
		printf("safe mode (\"cleat reload\" leaves it); known last: ");
	print_units(units, count);
	free(units);
}

/* "on port 25328", "at 192.0.2.7:25328" */
static void print_place(const struct published_header *header)
{
	const char *address = header->status_address;
	unsigned port = header->status_port ? header->status_port : CLEAT_STATUS_PORT;

	if (!address[0])
		printf("on port %u", port);
	else
		printf(strchr(address, ':') ? "at [%s]:%u" : "at %s:%u", address, port);
}

int cmd_greeting(int argc, char **argv)
{
	struct published_header header = { 0 };

	if (cli_options(argc, argv, NULL, 0) != 0)
		return CLI_USAGE;
	print_state(&header);
	printf("Units are in %s, what lasts in %s, the status ", CLEAT_UNIT_DIR, CLEAT_DATA_DIR);
	print_place(&header);
	printf(".\n");
	printf("Next: cleat ps, cleat logs NAME, cleat check, cleat help\n");
	return CLI_OK;
}
