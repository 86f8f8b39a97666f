/*
 * Code that all C consumers share: arguments, output and end.
 *
 *	peer QUEUE-NUMBER QUEUE-LENGTH RECEIVE-BUFFER accept|drop gso|segments
 *
 * With "gso" the kernel queues large packets whole, with "segments" it splits
 * them first. A consumer prints a line of JSON when the queue is bound, and
 * another after SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

struct options {
	uint16_t queue;
	uint32_t length;   /* packets */
	int      buffer;   /* bytes */
	uint32_t verdict;
	uint32_t flags;    /* NFQA_CFG_F_... */
};

static volatile sig_atomic_t stopping;
static unsigned long long decided, refused;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct options parse(int argc, char **argv)
{
	struct options o;

	if (argc != 6) {
		fprintf(stderr, "usage: %s queue length buffer accept|drop gso|segments\n", argv[0]);
		exit(2);
	}
	o.queue = atoi(argv[1]);
	o.length = atoi(argv[2]);
	o.buffer = atoi(argv[3]);
	o.verdict = strcmp(argv[4], "drop") ? NF_ACCEPT : NF_DROP;
	o.flags = strcmp(argv[5], "gso") ? 0 : NFQA_CFG_F_GSO;
	return o;
}

/*
 * A signal that arrives just before a receiving call does not interrupt that
 * call, so a timer repeats the signal.
 */
static void on_signal(int number)
{
	const struct itimerval again = { { 0, 10000 }, { 0, 10000 } };

	(void)number;
	if (!stopping)
		setitimer(ITIMER_REAL, &again, NULL);
	stopping = 1;
}

/* All consumers of the benchmark use these options of the socket. */
static void prepare(int fd, int buffer)
{
	const int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0)
		die("SO_RCVBUF");
	if (setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one)) < 0)
		die("NETLINK_NO_ENOBUFS");
}

/* Reports that the queue is bound, and the size of the receive buffer. */
static void ready(int fd)
{
	struct sigaction action = { .sa_handler = on_signal };	/* no SA_RESTART */
	socklen_t size;
	int buffer;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	size = sizeof(buffer);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, &size) < 0)
		die("SO_RCVBUF");
	printf("{\"ReadBuffer\":%d}\n", buffer);
	fflush(stdout);
}

static void finish(void)
{
	printf("{\"Decided\":%llu,\"Refused\":%llu}\n", decided, refused);
}
