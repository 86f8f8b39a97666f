/*
 * Two loops that accept all packets of ip_queue. Their peer is not ip_queue but
 * another socket of NETLINK_USERSOCK.
 *
 *	ipq_loop one|many PORT PEER N
 *
 * one is the loop of a libipq program: receive one packet message, send one
 * verdict, each with a system call of its own, as ipq_read and ipq_set_verdict
 * make them. many does the least that can be done with a system call for up to
 * 64 of each: it tells what there is to gain.
 */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { BATCH = 64, SIZE = 1 << 16 };
enum { MODE = 0x11, VERDICT = 0x12, PACKET = 0x13 };

/* ipq_verdict_msg of a 64-bit kernel, and as long as ipq_mode_msg. */
struct verdict { uint32_t value, pad; uint64_t id, data_len; };
struct request { struct nlmsghdr header; struct verdict verdict; };

static struct sockaddr_nl local = {.nl_family = AF_NETLINK}, peer = {.nl_family = AF_NETLINK};
static unsigned char received[BATCH][SIZE];

static void fail(const char *what) { perror(what); exit(1); }

static struct nlmsghdr header(int type)
{
	return (struct nlmsghdr){.nlmsg_len = sizeof(struct request), .nlmsg_type = type,
				 .nlmsg_flags = NLM_F_REQUEST, .nlmsg_pid = local.nl_pid};
}

/* Sends a request as ipq_set_verdict and ipq_set_mode do. */
static void request(int fd, int type, uint32_t value, uint64_t id)
{
	struct verdict v = {.value = value, .id = id};
	struct nlmsghdr h = header(type);
	struct iovec iov[] = {{&h, sizeof h}, {&v, sizeof v}};
	struct msghdr m = {.msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = iov, .msg_iovlen = 2};
	if (sendmsg(fd, &m, 0) < 0)
		fail("sendmsg");
}

/* Finds the id in a message of that many bytes, if it is a packet. */
static int packet(const unsigned char *message, size_t size, uint64_t *id)
{
	const struct nlmsghdr *h = (const void *)message;
	if (size < sizeof *h + sizeof *id || h->nlmsg_len > size || h->nlmsg_type != PACKET)
		return 0;
	memcpy(id, message + sizeof *h, sizeof *id);
	return 1;
}

static long one(int fd)
{
	struct sockaddr_nl from;
	socklen_t length = sizeof from;
	uint64_t id;
	ssize_t n = recvfrom(fd, received[0], SIZE, 0, (struct sockaddr *)&from, &length);
	if (n < 0)
		fail("recvfrom");
	if (from.nl_pid != peer.nl_pid || !packet(received[0], n, &id))
		return 0;
	request(fd, VERDICT, 1, id);
	return 1;
}

static long many(int fd)
{
	static struct request verdicts[BATCH];
	static struct mmsghdr in[BATCH], out[BATCH];
	static struct iovec from[BATCH], into[BATCH];
	int count = 0, sent = 0, n;

	for (int i = 0; i < BATCH && !in[i].msg_hdr.msg_iov; i++) {
		verdicts[i] = (struct request){header(VERDICT), {.value = 1}};
		from[i] = (struct iovec){&verdicts[i], sizeof verdicts[i]};
		into[i] = (struct iovec){received[i], SIZE};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &from[i], .msg_iovlen = 1};
		in[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
	}
	n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
	if (n < 0)
		fail("recvmmsg");
	for (int i = 0; i < n; i++)
		count += packet(received[i], in[i].msg_len, &verdicts[count].verdict.id);
	while (sent < count) {
		n = sendmmsg(fd, out + sent, count - sent, 0);
		if (n < 0)
			fail("sendmmsg");
		sent += n;
	}
	return count;
}

int main(int argc, char **argv)
{
	int size = 8 << 20, fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
	if (argc != 5)
		return 2;
	long (*take)(int) = strcmp(argv[1], "many") ? one : many;
	local.nl_pid = strtoul(argv[2], NULL, 10);
	peer.nl_pid = strtoul(argv[3], NULL, 10);
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
		fail("bind");
	if (take == many && connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0)
		fail("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	request(fd, MODE, 2, 0);
	for (long n = strtol(argv[4], NULL, 10); n > 0;)
		n -= take(fd);
	return 0;
}
