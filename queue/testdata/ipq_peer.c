/*
 * What stands for ip_queue in a benchmark: a socket of NETLINK_USERSOCK that
 * sends N packet messages to the socket with that port, at most AHEAD more than
 * it has got verdicts for. It sleeps in recvmmsg, not in a poller, which
 * whoever sends would have to tell of each message.
 *
 *	ipq_peer PORT N
 *
 * prints its own port, "begin" before the first packet, and "end" after the last
 * verdict.
 */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { BATCH = 64, AHEAD = 256, PAYLOAD = 92 };
enum { MODE = 0x11, VERDICT = 0x12, PACKET = 0x13 };

/* ipq_packet_msg of a 64-bit kernel. */
struct packet {
	struct nlmsghdr header;
	uint64_t id, mark, seconds, microseconds;
	uint32_t hook;
	char in[16], out[16];
	uint16_t protocol, type;
	uint8_t address_length, address[8], pad[3];
	uint64_t length;
	uint8_t payload[PAYLOAD];
};

static struct packet packets[BATCH];
static char requests[BATCH][512];
static struct mmsghdr sent[BATCH], received[BATCH];
static struct iovec from[BATCH], into[BATCH];

static void fail(const char *what) { perror(what); exit(1); }

static void prepare(void)
{
	for (int i = 0; i < BATCH; i++) {
		struct packet *p = &packets[i];
		p->header.nlmsg_len = offsetof(struct packet, payload) + PAYLOAD;
		p->header.nlmsg_type = PACKET;
		p->length = PAYLOAD;
		p->payload[0] = 0x45;
		p->payload[3] = PAYLOAD;
		from[i] = (struct iovec){p, p->header.nlmsg_len};
		into[i] = (struct iovec){requests[i], sizeof requests[i]};
		sent[i].msg_hdr = (struct msghdr){.msg_iov = &from[i], .msg_iovlen = 1};
		received[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
	}
}

static int open_socket(uint32_t port)
{
	struct sockaddr_nl own = {.nl_family = AF_NETLINK}, other = {.nl_family = AF_NETLINK, .nl_pid = port};
	socklen_t size = sizeof own;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), buffer = 8 << 20;
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0 ||
	    connect(fd, (struct sockaddr *)&other, sizeof other) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &size) < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	printf("%u\n", own.nl_pid);
	fflush(stdout);
	return fd;
}

/* Answers a request for a mode, if it wants an answer. */
static void acknowledge(int fd, const struct nlmsghdr *request)
{
	struct { struct nlmsghdr header; struct nlmsgerr error; } reply = {
		{.nlmsg_len = sizeof reply, .nlmsg_type = NLMSG_ERROR}, {0, *request}};
	if (request->nlmsg_flags & NLM_F_ACK && send(fd, &reply, sizeof reply, 0) < 0)
		fail("send");
	puts("begin");
	fflush(stdout);
}

/* Receives what there is and returns the number of verdicts. */
static long verdicts(int fd)
{
	long decided = 0;
	int n = recvmmsg(fd, received, BATCH, MSG_WAITFORONE, NULL);
	if (n < 0)
		fail("recvmmsg");
	for (int i = 0; i < n; i++) {
		const struct nlmsghdr *h = (const void *)requests[i];
		if (h->nlmsg_type == MODE)
			acknowledge(fd, h);
		decided += h->nlmsg_type == VERDICT;
	}
	return decided;
}

static long feed(int fd, long at, long limit)
{
	while (at < limit) {
		int n = limit - at < BATCH ? limit - at : BATCH;
		for (int i = 0; i < n; i++)
			packets[i].id = 0xffff880000000000 + (at + i) * 256;
		if ((n = sendmmsg(fd, sent, n, 0)) < 0)
			fail("sendmmsg");
		at += n;
	}
	return at;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	long n = strtol(argv[2], NULL, 10), at = 0, decided = 0;
	prepare();
	int fd = open_socket(strtoul(argv[1], NULL, 10));
	while (decided < n) {
		decided += verdicts(fd);
		at = feed(fd, at, decided + AHEAD < n ? decided + AHEAD : n);
	}
	puts("end");
	return 0;
}
