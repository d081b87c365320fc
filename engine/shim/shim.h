/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* "cleat-runtime shim ...": stays with one container until its end; protocol.h has arguments,
 * descriptors and exit codes. */
int cmd_shim(int argc, char **argv);
