/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks and ports of a container in Docker's shape. What is attached counts; of a container that is not, or that shares the appliance's
 * network, only what its unit exposes is known.
 */
#include "api/internal.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "net/plan.h"
#include "util/json.h"
#include "util/str.h"

#define PORT_TEXT 24

static void host_text(const struct net_publish *port, char out[INET6_ADDRSTRLEN])
{
	if (!inet_ntop(port->is_v6 ? AF_INET6 : AF_INET,
		       port->is_v6 ? (const void *)&port->host_address6 : &port->host_address, out,
		       INET6_ADDRSTRLEN))
		out[0] = '\0';
}

const char *api_network_mode(const struct container_spec *spec)
{
	if (!spec || spec->network == SPEC_NETWORK_HOST)
		return "host";
	if (spec->network == SPEC_NETWORK_NONE)
		return "none";
	if (!spec->join_count) /* a container of a pod has the pod's */
		return "pod";
	return spec->join_count == 1 && str_eq(spec->joins[0].network, NET_DEFAULT) ?
		       "bridge" :
		       spec->joins[0].network;
}

static void list_published(struct json *json, const struct net_publish *port)
{
	char host[INET6_ADDRSTRLEN];

	host_text(port, host);
	for (unsigned k = 0; k < port->count; k++) {
		json_object(json, NULL);
		json_str(json, "IP", host);
		json_uint(json, "PrivatePort", port->first + k);
		json_uint(json, "PublicPort", port->host_first + k);
		json_str(json, "Type", port->udp ? "udp" : "tcp");
		json_object_end(json);
	}
}

static void list_exposed(struct json *json, const struct spec_port *port)
{
	for (unsigned k = 0; k < port->count; k++) {
		json_object(json, NULL);
		json_uint(json, "PrivatePort", port->container_port + k);
		json_str(json, "Type", port->udp ? "udp" : "tcp");
		json_object_end(json);
	}
}

void api_render_ports(struct json *json, const struct engine_unit *unit)
{
	const struct net_attached *attached = unit->attached;

	json_array(json, "Ports");
	for (size_t i = 0; attached && i < attached->port_count; i++)
		list_published(json, &attached->ports[i]);
	for (size_t i = 0; !attached && unit->spec && i < unit->spec->port_count; i++)
		list_exposed(json, &unit->spec->ports[i]);
	json_array_end(json);
}

static void end_fields(struct json *json, const struct net_end *end)
{
	char address[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN], mac[18];

	net_address_text(end->address, address);
	net_address_text(end->bridge.address, gateway);
	net_mac_text(end->mac, mac);
	json_str(json, "IPAddress", address);
	json_uint(json, "IPPrefixLen", end->bridge.prefix);
	json_str(json, "Gateway", end->bridge.internal ? "" : gateway);
	json_str(json, "MacAddress", mac);
}

static void networks(struct json *json, const struct net_attached *attached)
{
	json_object(json, "Networks");
	for (size_t i = 0; attached && i < attached->end_count; i++) {
		const struct net_end *end = &attached->ends[i];

		json_object(json, end->network);
		end_fields(json, end);
		json_array(json, "Aliases");
		for (size_t k = 0; k < end->alias_count; k++)
			json_str(json, NULL, end->aliases[k]);
		json_array_end(json);
		json_object_end(json);
	}
	json_object_end(json);
}

/* A port of the container that several rows publish has one entry: rows before this one have said it. */
static bool is_said(const struct net_attached *attached, size_t row, unsigned inside)
{
	for (size_t i = 0; i < row; i++) {
		const struct net_publish *port = &attached->ports[i];

		if (port->udp == attached->ports[row].udp && inside >= port->first &&
		    inside < (unsigned)port->first + port->count)
			return true;
	}
	return false;
}

static void bindings(struct json *json, const struct net_attached *attached, bool udp,
		     unsigned inside)
{
	char host[INET6_ADDRSTRLEN], number[PORT_TEXT];

	snprintf(number, sizeof(number), "%u/%s", inside, udp ? "udp" : "tcp");
	json_array(json, number);
	for (size_t i = 0; i < attached->port_count; i++) {
		const struct net_publish *port = &attached->ports[i];

		if (port->udp != udp || inside < port->first ||
		    inside >= (unsigned)port->first + port->count)
			continue;
		host_text(port, host);
		snprintf(number, sizeof(number), "%u", port->host_first + inside - port->first);
		json_object(json, NULL);
		json_str(json, "HostIp", host);
		json_str(json, "HostPort", number);
		json_object_end(json);
	}
	json_array_end(json);
}

static void ports(struct json *json, const struct engine_unit *unit)
{
	const struct net_attached *attached = unit->attached;
	char text[PORT_TEXT];

	json_object(json, "Ports");
	for (size_t i = 0; attached && i < attached->port_count; i++)
		for (unsigned k = 0; k < attached->ports[i].count; k++)
			if (!is_said(attached, i, attached->ports[i].first + k))
				bindings(json, attached, attached->ports[i].udp,
					 attached->ports[i].first + k);
	for (size_t i = 0; !attached && unit->spec && i < unit->spec->port_count; i++)
		for (unsigned k = 0; k < unit->spec->ports[i].count; k++) {
			snprintf(text, sizeof(text), "%u/%s",
				 unit->spec->ports[i].container_port + k,
				 unit->spec->ports[i].udp ? "udp" : "tcp");
			json_null(json, text);
		}
	json_object_end(json);
}

void api_render_network(struct json *json, const struct engine_unit *unit)
{
	json_object(json, "NetworkSettings");
	if (unit->attached && unit->attached->end_count)
		end_fields(json, &unit->attached->ends[0]);
	else
		json_str(json, "IPAddress", "");
	networks(json, unit->attached);
	ports(json, unit);
	json_object_end(json);
}
