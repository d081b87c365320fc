/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One function a condition (systemd.unit(5), "Conditions and Asserts"): 1 it holds, 0 it does not, -1 nobody can tell. "The manager" of systemd's
 * text is the appliance's PID 1 here, because the engine's own environment and command line are its own business. Internal to this folder.
 */
#include "supervise/commands.h"

int condition_needs_update(const char *text, struct err *err);
int condition_first_boot(const char *text, struct err *err);
int condition_architecture(const char *text, struct err *err);
int condition_virtualization(const char *text, struct err *err);
int condition_host(const char *text, struct err *err);
int condition_kernel_command_line(const char *text, struct err *err);
int condition_kernel_version(const char *text, struct err *err);
int condition_version(const char *text, struct err *err);
int condition_security(const char *text, struct err *err);
int condition_capability(const char *text, struct err *err);
int condition_memory(const char *text, struct err *err);
int condition_cpus(const char *text, struct err *err);
int condition_cpu_feature(const char *text, struct err *err);
int condition_environment(const char *text, struct err *err);
int condition_user(const char *text, struct err *err);
int condition_control_group_controller(const char *text, struct err *err);
int condition_os_release(const char *text, struct err *err);
int condition_kernel_module_loaded(const char *text, struct err *err);

/* conditions_compare.c: the operators (<, <=, =, ==, !=, <>, >=, >, and $= !$= for patterns). */
enum condition_operator {
	CONDITION_NONE, /* the text begins with none */
	CONDITION_LESS,
	CONDITION_LESS_EQUAL,
	CONDITION_EQUAL,
	CONDITION_UNEQUAL,
	CONDITION_GREATER_EQUAL,
	CONDITION_GREATER,
	CONDITION_MATCH,
	CONDITION_NO_MATCH,
};
/* Takes the operator and the blanks behind it off *text. */
enum condition_operator condition_take_operator(const char **text);
/* Is "order against 0" what the operator asks for? */
bool condition_fits_order(enum condition_operator op, int order);
/* "yes", "1", "true", "on" and their opposites. False: neither. */
bool condition_read_bool(const char *text, bool *out);
