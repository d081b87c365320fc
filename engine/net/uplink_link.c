/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of the socket share: lists of a link's configuration, the report, the start. Must never hold the same thing twice. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/uplink.h"
#include "util/cleanup.h"
#include "util/proc.h"

bool uplink_add_address(struct uplink_link *link, const struct net_ip *address)
{
	for (unsigned i = 0; i < link->address_count; i++)
		if (net_ip_same_address(&link->addresses[i], address))
			return true;
	if (link->address_count == UPLINK_MAX_ADDRESSES)
		return false;
	link->addresses[link->address_count++] = *address;
	return true;
}

bool uplink_add_route(struct uplink_link *link, const struct net_ip *to, const struct net_ip *via)
{
	struct uplink_route route = { *to, *via };

	net_ip_mask(&route.to);
	for (unsigned i = 0; i < link->route_count; i++)
		if (net_ip_same(&link->routes[i].to, &route.to) &&
		    net_ip_same_address(&link->routes[i].via, via))
			return true;
	if (link->route_count == UPLINK_MAX_ROUTES)
		return false;
	link->routes[link->route_count++] = route;
	return true;
}

bool uplink_add_gateway(struct uplink_link *link, const struct net_ip *gateway)
{
	const struct net_ip everything = { .family = gateway->family };

	return uplink_add_route(link, &everything, gateway);
}

bool uplink_add_dns(struct uplink_link *link, const struct net_ip *server)
{
	for (unsigned i = 0; i < link->dns_count; i++)
		if (net_ip_same_address(&link->dns[i], server))
			return true;
	if (link->dns_count == UPLINK_MAX_SERVERS)
		return false;
	link->dns[link->dns_count++] = *server;
	return true;
}

bool uplink_report_check(struct uplink_report *report, size_t length)
{
	if (length != sizeof(*report) || report->version != UPLINK_VERSION ||
	    report->length != sizeof(*report) || report->client_count > UPLINK_MAX_CLIENTS)
		return false;
	report->state[sizeof(report->state) - 1] = '\0';
	report->notes[sizeof(report->notes) - 1] = '\0';
	for (unsigned i = 0; i < report->client_count; i++) {
		struct uplink_client *client = &report->clients[i];
		struct net_ip ip;

		/* both become words of a command, and the name one of a path */
		client->link[sizeof(client->link) - 1] = '\0';
		client->request[sizeof(client->request) - 1] = '\0';
		if (!client->link[0] || client->link[0] == '-' || client->link[0] == '.' ||
		    strpbrk(client->link, "/ \n"))
			return false;
		if (client->request[0] &&
		    (!net_ip_parse(client->request, &ip) || ip.family != AF_INET))
			return false;
	}
	return true;
}

#define ENGINE_FD 3

int uplink_start(int cgroup_fd, struct proc *proc_out, int *fd_out, struct err *err)
{
	char *argv[] = { "cleat", "uplink", "--socket", "3", NULL };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "links: socketpair");

	auto_fd int ours = ends[0], theirs = ends[1];
	const struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = cgroup_fd,
		.fds = { -1, -1, STDERR_FILENO, [ENGINE_FD] = theirs },
		.fd_count = ENGINE_FD + 1,
		.new_session = true,
	};

	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "links: fcntl");
	if (proc_spawn(&spawn, proc_out, err) < 0)
		return err_wrap(err, "links");
	*fd_out = take_fd(&ours);
	return 0;
}
