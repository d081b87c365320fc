/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two compression functions behind util/digest.h, for digest*.c and their test. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs count 64-byte blocks through state; Mbed TLS. */
void sha256_blocks_generic(uint32_t state[8], const uint8_t *blocks, size_t count);
/* The same by the CPU's own instructions; only where sha256_cpu_has() is true. */
void sha256_blocks_cpu(uint32_t state[8], const uint8_t *blocks, size_t count);
bool sha256_cpu_has(void);
