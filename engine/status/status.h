/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The HTTP server for the world: /livez, /readyz, /status. A process of its own without rights, which reads what the engine
 * publishes (util/published.h) and nothing else.
 */

/*
 * "cleat status-server": descriptor 3 is a listening TCP socket, 4 the published mapping's file, the parent process is the
 * engine. Gives up all rights, then serves until SIGTERM or until a new engine takes over the mapping. Blocks. Returns the exit
 * code: 0, 1 when the start failed (reason on stderr), 2 for words it does not know.
 */
int cmd_status_server(int argc, char **argv);
