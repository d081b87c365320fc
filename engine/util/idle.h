/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A process that has come to rest. The program's read-only pages go off its books until they are used again: they stay in the page
 * cache, and come back by minor faults, 64 KiB at a time. What deep calls have left of the stack below goes, too. For the end of a long
 * beginning, not for every sleep. Of the first thread only: below another one's stack may lie what others have.
 */
void idle_release(void);
