/*
 * The loop of a libipq program: receive one packet message, send one verdict,
 * each with a system call of its own, as ipq_read and ipq_set_verdict make
 * them. Its peer is not ip_queue but another socket of NETLINK_USERSOCK.
 *
 *	libipq_loop PORT PEER N
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct verdict { uint32_t value; uint32_t pad; uint64_t id; uint64_t data_len; };

static struct sockaddr_nl local = {.nl_family = AF_NETLINK}, peer = {.nl_family = AF_NETLINK};

static void fail(const char *what) { perror(what); exit(1); }

static void set_verdict(int fd, int type, uint64_t id)
{
	struct verdict v = {.value = type == 0x11 ? 2 : 1, .id = id};
	struct nlmsghdr h = {.nlmsg_len = sizeof h + sizeof v, .nlmsg_type = type,
			     .nlmsg_flags = NLM_F_REQUEST, .nlmsg_pid = local.nl_pid};
	struct iovec iov[] = {{&h, sizeof h}, {&v, sizeof v}};
	struct msghdr m = {.msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = iov, .msg_iovlen = 2};
	if (sendmsg(fd, &m, 0) < 0)
		fail("sendmsg");
}

int main(int argc, char **argv)
{
	static unsigned char buf[1 << 17];
	if (argc != 4)
		return 2;
	local.nl_pid = strtoul(argv[1], NULL, 10);
	peer.nl_pid = strtoul(argv[2], NULL, 10);
	long n = strtol(argv[3], NULL, 10);
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), size = 8 << 20;
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
		fail("bind");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	set_verdict(fd, 0x11, 0); /* IPQM_MODE, which has the same size */
	while (n > 0) {
		struct sockaddr_nl from;
		socklen_t len = sizeof from;
		ssize_t got = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		if (got < 0)
			fail("recvfrom");
		if (from.nl_pid != peer.nl_pid || h->nlmsg_len > (size_t)got || h->nlmsg_type != 0x13)
			continue;
		uint64_t id;
		memcpy(&id, buf + sizeof *h, sizeof id);
		set_verdict(fd, 0x12, id);
		n--;
	}
	return 0;
}
