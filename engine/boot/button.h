/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading what the kernel says about buttons (generic netlink, linux/genetlink.h; drivers/acpi/event.c). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/netlink.h"

/* A netlink_reader's message(): of the family acpi_event, the number of its group goes to *(uint32_t *)arg. */
int button_find_group(const struct netlink_message *message, void *arg, struct err *err);
/* Is one of the messages of this datagram about the power button? */
bool button_is_pressed(const unsigned char *data, size_t len);
