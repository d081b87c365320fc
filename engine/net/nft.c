/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions. A batch is one datagram, framed by two messages; the kernel does all of it or nothing. Its size is bounded by the send
 * buffer, which nobody in a container may raise above net.core.wmem_max. Must never touch a table of another name.
 */
#include "net/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/nft_expr.h"
#include "net/nft_rules.h"

/* Fits into the usual net.core.wmem_default (212,992), of which the kernel's accounting takes its share. */
#define BATCH_BYTES (160u << 10)
/* Of the elements in one message: an attribute has 16 bits for its length. */
#define LIST_BYTES (32u << 10)

struct batch {
	struct netlink *nl;
	struct buf out;
	enum nft_table table;
	size_t last;	      /* where the last message begins */
	size_t messages;      /* without the frame */
	size_t message, list; /* the list of elements that is open */
	bool open;
	unsigned open_type;
	enum nft_set open_set;
};

int nft_socket(struct netlink *nl, struct err *err)
{
	/* One place for the answers to a batch in which every element is refused. */
	const int bytes = 1 << 20;

	if (netlink_open(nl, NETLINK_NETFILTER, err) < 0)
		return -1;
	setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

static void put_frame(struct buf *out, uint16_t type)
{
	const struct nfgenmsg header = { .version = NFNETLINK_V0,
					 .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	netlink_end(out, netlink_begin(out, type, 0, &header, sizeof(header)));
}

static void batch_begin(struct batch *b)
{
	buf_clear(&b->out);
	b->messages = 0;
	put_frame(&b->out, NFNL_MSG_BATCH_BEGIN);
}

/* The header of a message that stands already. */
static void ask_for_answer(struct buf *out, size_t at)
{
	uint16_t flags;
	char *place;

	if (out->failed)
		return;
	place = out->data + at + offsetof(struct nlmsghdr, nlmsg_flags);
	memcpy(&flags, place, sizeof(flags));
	flags |= NLM_F_ACK;
	memcpy(place, &flags, sizeof(flags));
}

static size_t put_table(struct batch *b, unsigned type)
{
	size_t at = nft_begin(&b->out, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0,
			      nft_table_family(b->table));

	netlink_put_text(&b->out, NFTA_TABLE_NAME, NFT_TABLE_NAME);
	netlink_end(&b->out, at);
	b->messages++;
	b->last = at;
	return at;
}

static void close_list(struct batch *b)
{
	if (!b->open)
		return;
	netlink_nest_end(&b->out, b->list);
	netlink_end(&b->out, b->message);
	b->last = b->message;
	b->open = false;
}

/* Answers are asked for at the last message: a refusal of any comes by itself, and what is answered at the end has been committed. */
static int batch_commit(struct batch *b, struct err *err)
{
	close_list(b);
	if (b->messages == 0)
		return 0;
	ask_for_answer(&b->out, b->last);
	put_frame(&b->out, NFNL_MSG_BATCH_END);
	if (netlink_request(b->nl, &b->out, err) < 0)
		return err_wrap(err, "nftables: message %u", b->nl->failed);
	batch_begin(b);
	return 0;
}

static void open_list(struct batch *b, unsigned type, enum nft_set set)
{
	b->message = nft_begin(&b->out, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
			       nft_table_family(b->table));
	netlink_put_text(&b->out, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
	netlink_put_text(&b->out, NFTA_SET_ELEM_LIST_SET, nft_set_kinds[set].name);
	b->list = netlink_nest(&b->out, NFTA_SET_ELEM_LIST_ELEMENTS);
	b->open = true;
	b->open_type = type;
	b->open_set = set;
	b->messages++;
}

static void put_value(struct buf *out, uint16_t type, const void *value, size_t len)
{
	size_t nest = netlink_nest(out, type);

	netlink_put(out, NFTA_DATA_VALUE, value, len);
	netlink_nest_end(out, nest);
}

static int put_element(struct batch *b, const struct nft_element *e, unsigned type, struct err *err)
{
	const struct nft_set_kind *kind = &nft_set_kinds[e->set];
	size_t nest;

	if (b->open &&
	    (b->open_type != type || b->open_set != e->set || b->out.len - b->list > LIST_BYTES))
		close_list(b);
	if (b->out.len > BATCH_BYTES && batch_commit(b, err) < 0)
		return -1;
	if (!b->open)
		open_list(b, type, e->set);
	nest = netlink_nest(&b->out, NFTA_LIST_ELEM);
	put_value(&b->out, NFTA_SET_ELEM_KEY, e->key, kind->key_len);
	if (kind->data_len && type == NFT_MSG_NEWSETELEM)
		put_value(&b->out, NFTA_SET_ELEM_DATA, e->data, kind->data_len);
	netlink_nest_end(&b->out, nest);
	return 0;
}

static int put_gone(const struct nft_element *e, void *arg, struct err *err)
{
	return put_element(arg, e, NFT_MSG_DELSETELEM, err);
}

static int put_added(const struct nft_element *e, void *arg, struct err *err)
{
	return put_element(arg, e, NFT_MSG_NEWSETELEM, err);
}

/* Everything of the table, and the elements that come after it. */
static int put_all(struct batch *b, const struct nft_elements *elements, bool drop_strangers,
		   struct err *err)
{
	static const struct nft_elements none;

	batch_begin(b);
	/* The first one makes sure that there is something to delete. */
	put_table(b, NFT_MSG_NEWTABLE);
	put_table(b, NFT_MSG_DELTABLE);
	put_table(b, NFT_MSG_NEWTABLE);
	nft_rules_write(&b->out, b->table, drop_strangers);
	if (nft_elements_diff(&none, elements, b->table, put_gone, put_added, b, err) < 0)
		return -1;
	return batch_commit(b, err);
}

int nft_table_put(struct netlink *nl, enum nft_table table, const struct nft_elements *elements,
		  bool drop_strangers, struct err *err)
{
	struct batch b = { .nl = nl, .table = table, .out = BUF_INIT(NETLINK_MESSAGES_MAX) };
	int rc = put_all(&b, elements, drop_strangers, err);

	buf_fini(&b.out);
	return rc;
}

int nft_table_change(struct netlink *nl, enum nft_table table, const struct nft_elements *old,
		     const struct nft_elements *new, struct err *err)
{
	struct batch b = { .nl = nl, .table = table, .out = BUF_INIT(NETLINK_MESSAGES_MAX) };
	int rc;

	batch_begin(&b);
	rc = nft_elements_diff(old, new, table, put_gone, put_added, &b, err);
	if (rc == 0)
		rc = batch_commit(&b, err);
	buf_fini(&b.out);
	return rc;
}

int nft_table_remove(struct netlink *nl, enum nft_table table, struct err *err)
{
	struct batch b = { .nl = nl, .table = table, .out = BUF_INIT(NETLINK_MESSAGES_MAX) };
	int rc;

	batch_begin(&b);
	put_table(&b, NFT_MSG_NEWTABLE);
	put_table(&b, NFT_MSG_DELTABLE);
	rc = batch_commit(&b, err);
	buf_fini(&b.out);
	return rc;
}

bool nft_drops_strangers(struct netlink *nl)
{
	auto_buf out = BUF_INIT(4096);
	size_t at = nft_begin(&out, NFT_MSG_GETCHAIN, NLM_F_ACK, nft_table_family(NFT_TABLE_INET));

	netlink_put_text(&out, NFTA_CHAIN_TABLE, NFT_TABLE_NAME);
	netlink_put_text(&out, NFTA_CHAIN_NAME, NFT_STRANGERS_CHAIN);
	netlink_end(&out, at);
	return netlink_request(nl, &out, NULL) == 0;
}

static bool table_of_family(unsigned family, enum nft_table *table)
{
	for (unsigned t = 0; t < NFT_TABLES; t++) {
		*table = (enum nft_table)t;
		if (nft_table_family(*table) == family)
			return true;
	}
	return false;
}

/* Tables, chains, rules, sets and elements all carry the table's name in attribute 1; a generation has a number there. */
enum nft_news nft_news(const struct netlink_message *message, uint32_t own_port,
		       enum nft_table *table)
{
	unsigned type = message->type & 0xff;
	char name[sizeof(NFT_TABLE_NAME)];
	struct netlink_span value;
	struct nfgenmsg header;

	_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
			       NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1,
		       "the table's name");
	if (message->type >> 8 != NFNL_SUBSYS_NFTABLES || type == NFT_MSG_NEWGEN ||
	    message->len < sizeof(header))
		return NFT_NEWS_NONE;
	memcpy(&header, message->data, sizeof(header));
	if (!table_of_family(header.nfgen_family, table) ||
	    !netlink_find(netlink_attrs(message, sizeof(header)), 1, &value) ||
	    !netlink_text(value, name, sizeof(name)) || strcmp(name, NFT_TABLE_NAME) != 0)
		return NFT_NEWS_NONE;
	if (message->port != own_port)
		return NFT_NEWS_FOREIGN;
	return type == NFT_MSG_NEWTABLE ? NFT_NEWS_PUT : NFT_NEWS_NONE;
}
