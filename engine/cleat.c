/* SPDX-License-Identifier: Apache-2.0 */
/* cleat: command line, engine and the engine's workers in one program; the table of commands is cli/commands.c. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
