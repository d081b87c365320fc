/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What cmocka wants to have been included before it, and cmocka. First include of every test file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
