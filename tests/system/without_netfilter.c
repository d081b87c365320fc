/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without_netfilter COMMAND...: runs it, and all that comes of it, as on a kernel without netfilter: sockets of that family are not to be had.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(where) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, where)
#define ELSE_ALLOW(value, left) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, left)
#define ARGUMENT(i)                            \
	(offsetof(struct seccomp_data, args) + \
	 (i) * sizeof(__u64)) /* little endian: its lower half */

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		ELSE_ALLOW(SYS_socket, 5),
		LOAD(ARGUMENT(0)),
		ELSE_ALLOW(AF_NETLINK, 3),
		LOAD(ARGUMENT(2)),
		ELSE_ALLOW(NETLINK_NETFILTER, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (argc < 2 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("without_netfilter");
		return 125;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
