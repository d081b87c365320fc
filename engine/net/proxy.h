/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * "cleat proxy (--listen ADDR:PORT|--listen-udp ADDR:PORT --connect ADDR:PORT)... [--netns PATH]": a relay without NAT. Listens in the network namespace it
 * was started in, connects in the one of PATH, and has given up everything else before the first byte. IPv6 addresses in brackets.
 * Prints "ready" on stdout when it listens. Ends on SIGTERM. Exit code 1 with a message when an address is in use.
 */
int cmd_proxy(int argc, char **argv);
