/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The facts of a machine that exists nowhere, for struct unit_facts. */
#define TEST_MACHINE                                                                       \
	.wants_service_text = true, .home = "/data/home", .user = "root", .group = "root", \
	.uid = "0", .gid = "0", .hostname = "box.example.com", .runtime_dir = "/run",      \
	.machine_id = "0123456789abcdef0123456789abcdef",                                  \
	.boot_id = "fedcba9876543210fedcba9876543210", .kernel_release = "6.1.0", .arch = "x86-64"
