/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "util/arena.h"

/*
 * Sorts count elements of size bytes and returns where they are then: items itself, or as much memory of the arena. Equal ones keep their order,
 * which qsort(3) does not promise, and compare is asked half as often as by musl's. Inline, so that both are known where it is called.
 */
__attribute__((always_inline)) static inline void *
sort_stable(struct arena *arena, void *items, size_t count, size_t size,
	    int (*compare)(const void *left, const void *right))
{
	unsigned char *from = items, *to = arena_alloc(arena, (count + 1) * size), *swap;

	for (size_t width = 1; width < count; width *= 2) {
		for (size_t low = 0; low < count; low += 2 * width) {
			size_t middle = low + width < count ? low + width : count;
			size_t high = middle + width < count ? middle + width : count;
			size_t a = low, b = middle;

			for (size_t k = low; k < high; k++) {
				bool is_left = b >= high ||
					       (a < middle &&
						compare(from + a * size, from + b * size) <= 0);

				memcpy(to + k * size, from + (is_left ? a++ : b++) * size, size);
			}
		}
		swap = from;
		from = to;
		to = swap;
	}
	return from;
}
