/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Words of the OCI runtime specification and their kernel numbers; -1 for an unknown word. */
int name_to_capability(const char *name); /* "CAP_CHOWN" */
int name_to_rlimit(const char *name);	  /* "RLIMIT_NOFILE" */
