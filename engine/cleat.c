/* SPDX-License-Identifier: Apache-2.0 */
/* cleat: command line, engine and the engine's workers in one program; the table of commands is cli/commands.c. */
#include "cli/cli.h"
#include "util/relro.h"

int main(int argc, char **argv)
{
	relro_protect();
	return cli_main(argc, argv);
}
