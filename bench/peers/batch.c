/*
 * A consumer that receives up to 64 packets with one call and decides them
 * with one batch verdict, which applies to all packets up to an id.
 */
#include "raw.h"

static void answer(int fd, const struct options *o, int n)
{
	char verdict[VERDICT];
	uint32_t id, last = 0;
	int i, packets = 0;

	for (i = 0; i < n; i++)
		if (packet_id(i, &id)) {
			last = id;
			packets++;
		}
	if (packets == 0)
		return;
	put_verdict(verdict, NFQNL_MSG_VERDICT_BATCH, o, last);
	if (send(fd, verdict, sizeof(verdict), 0) < 0)
		die("send");
	decided += packets;
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
