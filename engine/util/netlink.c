/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages are built in a buf, whose failures stick, and sent whole; answers are walked with every length checked, although
 * only the kernel can have sent them: a wrong length in a kernel of tomorrow must not become a wild read. Must never wait.
 */
#include "util/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

/* The kernel fills up to 32 KiB of a dump at once for a reader that offers as much: netlink_recvmsg(). */
#define ROOM_BYTES 32768
/* A table that never stands still long enough to be read is a fault elsewhere. */
#define DUMP_TRIES 16
#define HEADER sizeof(struct nlmsghdr)
#define ATTR_HEADER sizeof(struct nlattr)
#define ATTR_MAX 65535

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

int netlink_open(struct netlink *nl, int protocol, struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(address);
	int on = 1;

	*nl = (struct netlink){ .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol) };
	if (nl->fd < 0)
		return err_sys(err, "netlink socket %d", protocol);
	if (bind(nl->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockname(nl->fd, (struct sockaddr *)&address, &len) < 0)
		return err_sys(err, "netlink socket %d: bind", protocol);
	nl->port = address.nl_pid;
	nl->room = malloc(ROOM_BYTES);
	if (!nl->room)
		return err_sys(err, "netlink socket %d", protocol);
	/* Reasons in words, and errors without a copy of the request; kernels before 4.12 have neither. */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

void netlink_close(struct netlink *nl)
{
	close_fd(&nl->fd);
	free(nl->room);
	nl->room = NULL;
}

int netlink_join(struct netlink *nl, int group, int buffer_bytes, struct err *err)
{
	if (buffer_bytes)
		setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_sys(err, "netlink group %d", group);
	return 0;
}

/* --- building ------------------------------------------------------------------------------------ */

static void pad(struct buf *out)
{
	static const char zeros[4];

	buf_add(out, zeros, padded(out->len) - out->len);
}

size_t netlink_begin(struct buf *out, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST };
	size_t begin = out->len;

	buf_add(out, &h, sizeof(h));
	buf_add(out, header, len);
	pad(out);
	return begin;
}

void netlink_end(struct buf *out, size_t begin)
{
	uint32_t len = (uint32_t)(out->len - begin);

	if (!out->failed)
		memcpy(out->data + begin + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

static void put_header(struct buf *out, uint16_t type, size_t len)
{
	struct nlattr h = { .nla_type = type, .nla_len = (uint16_t)(ATTR_HEADER + len) };

	if (len > ATTR_MAX - ATTR_HEADER)
		out->failed = true;
	buf_add(out, &h, sizeof(h));
}

void netlink_put(struct buf *out, uint16_t type, const void *data, size_t len)
{
	put_header(out, type, len);
	buf_add(out, data, len);
	pad(out);
}

void netlink_put_u8(struct buf *out, uint16_t type, uint8_t value)
{
	netlink_put(out, type, &value, sizeof(value));
}

void netlink_put_u32(struct buf *out, uint16_t type, uint32_t value)
{
	netlink_put(out, type, &value, sizeof(value));
}

void netlink_put_be32(struct buf *out, uint16_t type, uint32_t value)
{
	netlink_put_u32(out, type, htonl(value));
}

void netlink_put_text(struct buf *out, uint16_t type, const char *text)
{
	netlink_put(out, type, text, strlen(text) + 1);
}

size_t netlink_nest(struct buf *out, uint16_t type)
{
	size_t begin = out->len;

	put_header(out, type | NLA_F_NESTED, 0);
	return begin;
}

void netlink_nest_end(struct buf *out, size_t begin)
{
	size_t len = out->len - begin;
	uint16_t value = (uint16_t)len;

	if (out->failed)
		return;
	if (len > ATTR_MAX)
		out->failed = true;
	else
		memcpy(out->data + begin + offsetof(struct nlattr, nla_len), &value, sizeof(value));
}

/* --- reading ------------------------------------------------------------------------------------- */

static void advance(struct netlink_span *rest, size_t len)
{
	len = padded(len);
	if (len > rest->len)
		len = rest->len; /* the last one needs no padding */
	rest->data += len;
	rest->len -= len;
}

bool netlink_next(struct netlink_span *rest, struct netlink_message *out)
{
	struct nlmsghdr h;

	if (rest->len < HEADER)
		return false;
	memcpy(&h, rest->data, sizeof(h));
	if (h.nlmsg_len < HEADER || h.nlmsg_len > rest->len)
		return false;
	*out = (struct netlink_message){
		.type = h.nlmsg_type,
		.flags = h.nlmsg_flags,
		.seq = h.nlmsg_seq,
		.port = h.nlmsg_pid,
		.data = rest->data + HEADER,
		.len = h.nlmsg_len - HEADER,
	};
	advance(rest, h.nlmsg_len);
	return true;
}

bool netlink_attr_next(struct netlink_span *rest, struct netlink_attr *out)
{
	struct nlattr h;

	if (rest->len < ATTR_HEADER)
		return false;
	memcpy(&h, rest->data, sizeof(h));
	if (h.nla_len < ATTR_HEADER || h.nla_len > rest->len)
		return false;
	out->type = h.nla_type & (uint16_t) ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
	out->value.data = rest->data + ATTR_HEADER;
	out->value.len = h.nla_len - ATTR_HEADER;
	advance(rest, h.nla_len);
	return true;
}

struct netlink_span netlink_attrs(const struct netlink_message *message, size_t header)
{
	struct netlink_span span = { 0 };

	header = padded(header);
	if (message->len >= header) {
		span.data = message->data + header;
		span.len = message->len - header;
	}
	return span;
}

bool netlink_find(struct netlink_span attrs, uint16_t type, struct netlink_span *out)
{
	struct netlink_attr attr;
	bool found = false;

	while (netlink_attr_next(&attrs, &attr)) {
		if (attr.type != type)
			continue;
		*out = attr.value;
		found = true;
	}
	return found;
}

bool netlink_u32(struct netlink_span value, uint32_t *out)
{
	if (value.len != sizeof(*out))
		return false;
	memcpy(out, value.data, sizeof(*out));
	return true;
}

bool netlink_text(struct netlink_span value, char *out, size_t size)
{
	size_t len = value.len ? strnlen((const char *)value.data, value.len) : 0;

	if (len == value.len || len >= size)
		return false;
	memcpy(out, value.data, len + 1);
	return true;
}

/* --- asking -------------------------------------------------------------------------------------- */

/* Bytes received, 0: nothing there; whatever another process sent is thrown away. */
static ssize_t receive(struct netlink *nl, struct err *err)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = nl->room, .iov_len = ROOM_BYTES };
	struct msghdr header = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

retry:
	n = recvmsg(nl->fd, &header, MSG_DONTWAIT);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno == ENOBUFS)
		return err_set(err, ERR_LIMIT, "netlink: messages were lost");
	if (n < 0)
		return err_sys(err, "netlink: recvmsg");
	if (header.msg_flags & MSG_TRUNC)
		return err_set(err, ERR_LIMIT, "netlink: a message of more than %d bytes",
			       ROOM_BYTES);
	if (header.msg_namelen != sizeof(from) || from.nl_pid != 0) {
		header.msg_namelen = sizeof(from);
		goto retry;
	}
	return n;
}

static int transmit(struct netlink *nl, const struct buf *messages, struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

retry:
	n = sendto(nl->fd, messages->data, messages->len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel));
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0 && errno == EMSGSIZE)
		return err_set(err, ERR_LIMIT, "netlink: a request of %zu bytes is too large",
			       messages->len);
	return n < 0 ? err_sys(err, "netlink: sendto") : 0;
}

/* Numbers the messages; returns how many. */
static uint32_t number(struct netlink *nl, struct buf *messages)
{
	uint32_t count = 0, len;

	for (size_t at = 0; at + HEADER <= messages->len; at += padded(len)) {
		char *h = messages->data + at;
		uint32_t seq = nl->seq + 1 + count++;

		memcpy(&len, h, sizeof(len));
		memcpy(h + offsetof(struct nlmsghdr, nlmsg_seq), &seq, sizeof(seq));
	}
	nl->seq += count;
	return count;
}

/* NLMSG_ERROR: a number, the header that it is about, and, if the kernel has some, words. */
static int error_of(const struct netlink_message *m, struct err *err)
{
	const size_t fixed = sizeof(struct nlmsgerr);
	struct netlink_span text;
	char words[200];
	int32_t code;

	if (m->len < sizeof(code))
		return err_set(err, ERR_INTEGRITY, "netlink: an answer of %zu bytes", m->len);
	memcpy(&code, m->data, sizeof(code));
	if (code >= 0)
		return 0;
	if ((m->flags & NLM_F_ACK_TLVS) && (m->flags & NLM_F_CAPPED) &&
	    netlink_find(netlink_attrs(m, fixed), NLMSGERR_ATTR_MSG, &text) &&
	    netlink_text(text, words, sizeof(words)))
		return err_errno(err, -code, "%s", words);
	return err_errno(err, -code, "refused by the kernel");
}

struct answers {
	uint32_t first, count; /* sequence numbers of the request */
	bool acknowledged;
	bool refused;
};

static void read_answers(struct netlink *nl, size_t len, struct answers *answers, struct err *err)
{
	struct netlink_span rest = { nl->room, len };
	struct netlink_message m;

	while (netlink_next(&rest, &m)) {
		uint32_t place = m.seq - answers->first;

		if (m.type != NLMSG_ERROR || place >= answers->count || answers->refused)
			continue;
		if (error_of(&m, err) == 0) {
			answers->acknowledged = true;
			continue;
		}
		answers->refused = true;
		nl->failed = place;
	}
}

int netlink_request(struct netlink *nl, struct buf *messages, struct err *err)
{
	struct answers answers = { .first = nl->seq + 1 };
	ssize_t n;

	if (buf_check(messages, "netlink request", err) < 0)
		return -1;
	answers.count = number(nl, messages);
	if (transmit(nl, messages, err) < 0)
		return -1;
	/* Everything is read, also behind a refusal: it would be taken for the next answer. */
	while ((n = receive(nl, err)) > 0)
		read_answers(nl, (size_t)n, &answers, err);
	if (answers.refused)
		return -1;
	if (n < 0)
		return -1;
	return answers.acknowledged ? 0 : err_set(err, ERR_BUG, "netlink: no answer");
}

enum dump_state { DUMP_MORE, DUMP_DONE, DUMP_STALE, DUMP_FAILED };

static enum dump_state read_dump(struct netlink *nl, size_t len,
				 const struct netlink_reader *reader, bool *stale, struct err *err)
{
	struct netlink_span rest = { nl->room, len };
	struct netlink_message m;

	while (netlink_next(&rest, &m)) {
		if (m.seq != nl->seq)
			continue;
		if (m.flags & NLM_F_DUMP_INTR)
			*stale = true;
		/* Both may carry an error number. */
		if (m.type == NLMSG_ERROR || m.type == NLMSG_DONE) {
			if (error_of(&m, err) < 0)
				return DUMP_FAILED;
			return *stale ? DUMP_STALE : DUMP_DONE;
		}
		if (m.type >= NLMSG_MIN_TYPE && !*stale &&
		    reader->message(&m, reader->arg, err) < 0)
			return DUMP_FAILED;
	}
	return DUMP_MORE;
}

/* After a failure the rest of the dump is still to come. */
static void drain(struct netlink *nl)
{
	while (receive(nl, NULL) > 0)
		;
}

static enum dump_state dump_once(struct netlink *nl, struct buf *request,
				 const struct netlink_reader *reader, struct err *err)
{
	enum dump_state state = DUMP_MORE;
	bool stale = false;
	ssize_t n;

	number(nl, request);
	if (transmit(nl, request, err) < 0)
		return DUMP_FAILED;
	reader->again(reader->arg);
	while (state == DUMP_MORE) {
		n = receive(nl, err);
		if (n == 0)
			err_set(err, ERR_BUG, "netlink: a dump without an end");
		state = n > 0 ? read_dump(nl, (size_t)n, reader, &stale, err) : DUMP_FAILED;
	}
	if (state == DUMP_FAILED)
		drain(nl);
	return state;
}

int netlink_dump(struct netlink *nl, struct buf *request, const struct netlink_reader *reader,
		 struct err *err)
{
	uint16_t flags = NLM_F_REQUEST | NLM_F_DUMP;

	if (buf_check(request, "netlink request", err) < 0)
		return -1;
	memcpy(request->data + offsetof(struct nlmsghdr, nlmsg_flags), &flags, sizeof(flags));
	for (int i = 0; i < DUMP_TRIES; i++) {
		enum dump_state state = dump_once(nl, request, reader, err);

		if (state != DUMP_STALE)
			return state == DUMP_DONE ? 0 : -1;
	}
	return err_set(err, ERR_BUSY, "netlink: it changes faster than it can be read");
}

int netlink_heard(struct netlink *nl, const unsigned char **data, size_t *len, struct err *err)
{
	ssize_t n = receive(nl, err);

	if (n <= 0)
		return (int)n;
	*data = nl->room;
	*len = (size_t)n;
	return 1;
}
