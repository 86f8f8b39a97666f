/*
 * A consumer that receives up to 64 packets with one call and decides them
 * with another: it sends a verdict message for each, all in one datagram.
 */
#include "raw.h"

static void answer(int fd, const struct options *o, int n)
{
	char verdicts[BATCH * VERDICT];
	size_t size = 0;
	uint32_t id;
	int i;

	for (i = 0; i < n; i++)
		if (packet_id(i, &id))
			size += put_verdict(verdicts + size, NFQNL_MSG_VERDICT, o, id);
	if (size > 0 && send(fd, verdicts, size, 0) < 0)
		die("send");
	decided += size / VERDICT;
}

int main(int argc, char **argv)
{
	const struct options o = parse(argc, argv);
	int fd = open_queue(&o);

	open_slots();
	ready(fd);
	while (!stopping)
		answer(fd, &o, receive(fd));
	finish();
	return 0;
}
