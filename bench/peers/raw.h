/*
 * nfnetlink_queue without a library: bind a queue, and receive its packets
 * with recvmmsg.
 */
#define _GNU_SOURCE
#include "peer.h"

#include <unistd.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#define BATCH 64			/* packets per recvmmsg */
#define SLOT  (64 * 1024 + 4096)	/* room for the largest packet message */

static struct mmsghdr messages[BATCH];
static struct iovec   slots[BATCH];

/* Writes the headers of a message at at, and returns the place after them. */
static char *put_header(void *at, int type, int flags, uint16_t queue, uint32_t length)
{
	struct nlmsghdr *h = at;
	struct nfgenmsg *g = NLMSG_DATA(h);

	h->nlmsg_len = length;
	h->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = 0;
	h->nlmsg_pid = 0;
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(queue);
	return (char *)(g + 1);
}

static char *put_attribute(char *at, int type, const void *value, size_t size)
{
	struct nlattr *a = (struct nlattr *)at;

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + size;
	memcpy(at + NLA_HDRLEN, value, size);
	return at + NLA_ALIGN(a->nla_len);
}

/* Binds the queue with all settings in one message, and waits for the answer. */
static void bind_queue(int fd, const struct options *o)
{
	const struct nfqnl_msg_config_cmd command = { .command = NFQNL_CFG_CMD_BIND };
	const struct nfqnl_msg_config_params params = { htonl(0xffff), NFQNL_COPY_PACKET };
	const uint32_t length = htonl(o->length), flags = htonl(o->flags);
	const uint32_t mask = htonl(NFQA_CFG_F_GSO);
	char message[256] = { 0 }, *end;
	struct nlmsgerr *answer;
	char reply[1024];
	struct nlmsghdr *h = (struct nlmsghdr *)reply;

	end = put_header(message, NFQNL_MSG_CONFIG, NLM_F_ACK, o->queue, 0);
	end = put_attribute(end, NFQA_CFG_CMD, &command, sizeof(command));
	end = put_attribute(end, NFQA_CFG_PARAMS, &params, sizeof(params));
	end = put_attribute(end, NFQA_CFG_QUEUE_MAXLEN, &length, sizeof(length));
	end = put_attribute(end, NFQA_CFG_FLAGS, &flags, sizeof(flags));
	end = put_attribute(end, NFQA_CFG_MASK, &mask, sizeof(mask));
	((struct nlmsghdr *)message)->nlmsg_len = end - message;
	if (send(fd, message, end - message, 0) < 0 || recv(fd, reply, sizeof(reply), 0) < 0)
		die("bind");
	answer = NLMSG_DATA(h);
	if (h->nlmsg_type != NLMSG_ERROR || answer->error != 0) {
		errno = h->nlmsg_type == NLMSG_ERROR ? -answer->error : EPROTO;
		die("bind");
	}
}

static int open_queue(const struct options *o)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		die("netlink socket");
	prepare(fd, o->buffer);
	bind_queue(fd, o);
	return fd;
}

static void open_slots(void)
{
	char *memory = malloc((size_t)BATCH * SLOT);
	int i;

	if (!memory)
		die("malloc");
	memset(memory, 0, (size_t)BATCH * SLOT);
	for (i = 0; i < BATCH; i++) {
		slots[i].iov_base = memory + (size_t)i * SLOT;
		slots[i].iov_len = SLOT;
		messages[i].msg_hdr.msg_iov = &slots[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

/* Waits for packets and returns their number, or 0 if it was interrupted. */
static int receive(int fd)
{
	int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

	if (n >= 0)
		return n;
	if (errno != EINTR && errno != ENOBUFS)
		die("recvmmsg");
	return 0;
}

/*
 * Finds the id of the packet in a message, in network order. The packet header
 * is always the first attribute.
 */
static int packet_id(int i, uint32_t *id)
{
	const char *message = slots[i].iov_base;
	const struct nlmsghdr *h = (const void *)message;
	const struct nlattr *a = (const void *)(message + NLMSG_HDRLEN + sizeof(struct nfgenmsg));
	const struct nfqnl_msg_packet_hdr *p = (const void *)((const char *)a + NLA_HDRLEN);

	if (messages[i].msg_len < NLMSG_HDRLEN + sizeof(struct nfgenmsg) + NLA_HDRLEN + sizeof(*p) ||
	    h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) || a->nla_type != NFQA_PACKET_HDR) {
		refused += h->nlmsg_type == NLMSG_ERROR;
		return 0;
	}
	*id = p->packet_id;
	return 1;
}

/* The size of a verdict message and its one attribute. */
#define VERDICT (NLMSG_HDRLEN + sizeof(struct nfgenmsg) + NLA_HDRLEN + sizeof(struct nfqnl_msg_verdict_hdr))

static size_t put_verdict(char *at, int type, const struct options *o, uint32_t id)
{
	const struct nfqnl_msg_verdict_hdr verdict = { htonl(o->verdict), id };
	char *attribute = put_header(at, type, 0, o->queue, VERDICT);

	put_attribute(attribute, NFQA_VERDICT_HDR, &verdict, sizeof(verdict));
	return VERDICT;
}
