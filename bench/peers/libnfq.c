/*
 * A consumer as in most programs that use libnetfilter_queue: it receives one
 * packet, the library decodes it, and the callback gives the verdict.
 */
#include "peer.h"

#include <libnetfilter_queue/libnetfilter_queue.h>

static char buffer[64 * 1024 + 4096] __attribute__((aligned));

static int on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *packet, void *data)
{
	const struct options *o = data;
	const struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(packet);

	(void)message;
	if (!header || nfq_set_verdict(queue, ntohl(header->packet_id), o->verdict, 0, NULL) < 0) {
		refused++;
		return 0;
	}
	decided++;
	return 0;
}

static struct nfq_handle *open_queue(struct options *o)
{
	struct nfq_handle *h = nfq_open();
	struct nfq_q_handle *queue;

	if (!h)
		die("nfq_open");
	queue = nfq_create_queue(h, o->queue, on_packet, o);
	if (!queue)
		die("nfq_create_queue");
	if (nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xffff) < 0 ||
	    nfq_set_queue_flags(queue, NFQA_CFG_F_GSO, o->flags) < 0 ||
	    nfq_set_queue_maxlen(queue, o->length) < 0)
		die("nfq_set_mode");
	prepare(nfq_fd(h), o->buffer);
	return h;
}

static void run(struct nfq_handle *h)
{
	int fd = nfq_fd(h), n;

	while (!stopping) {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n >= 0)
			nfq_handle_packet(h, buffer, n);
		else if (errno != EINTR && errno != ENOBUFS)
			die("recv");
	}
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	struct nfq_handle *h = open_queue(&o);

	ready(nfq_fd(h));
	run(h);
	finish();
	return 0;
}
