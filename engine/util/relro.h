/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * First thing in main(): the pointers that the start of the program has relocated (tables of functions, the GOT: PT_GNU_RELRO) become
 * read-only. A dynamic loader does that, and glibc's static start; musl's (1.2.5) does not. Asks the kernel for nothing that can fail.
 */
void relro_protect(void);
