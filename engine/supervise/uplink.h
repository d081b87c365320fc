/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The appliance's own links in the engine: the worker that keeps them (net/uplink.h), and the DHCP clients that it asks for. */
struct engine;

/* Starts the worker, and takes over clients of an engine before. What goes wrong is a note, and tried again. */
void uplink_open(struct engine *e);
/* Ends both; the links stay as they are. */
void uplink_close(struct engine *e);
