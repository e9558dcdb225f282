// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk that records: crash-disk LOG DEVICE SIZE BLOCK fua|nofua|nocache SEED
 *
 * Serves /dev/nbdN from memory and writes down each request when it gets it, and again
 * before it answers.  Prints a line when the device can be used, and ends when standard
 * input does.
 *
 * Requests are answered in an order that has nothing to do with that of their arrival:
 * it keeps several before it answers one of them by chance.
 */
#include "nbd.h"

#include <poll.h>

/* A request waits that long for others, so that there are several. */
#define WAIT_NS 300000
#define PENDING 64

static struct crash_log *disk_log;
static struct image image;
static struct nbd nbd;
static uint8_t *buf;

struct pending {
	struct nbd_job job;
	uint32_t nr;
};

static struct pending pending[PENDING];
static unsigned int nr_pending;

static void received(const struct nbd_job *job, uint32_t nr)
{
	struct crash_event e = {
		.what = job->type == NBD_CMD_FLUSH ? DISK_FLUSH : DISK_WRITE,
		.fua = job->fua,
		.nr = nr,
		.pos = job->pos,
		.len = job->len,
		.data = CRASH_ZEROES,
	};

	if (e.what == DISK_WRITE) {
		const uint8_t *data =
			crash_data(disk_log) + disk_log->data_bytes;

		if (data[0] || memcmp(data, data + 1, job->len - 1)) {
			e.data = disk_log->data_bytes;
			disk_log->data_bytes += job->len;
			if (disk_log->data_bytes > CRASH_DATA - (64 << 20))
				fail("the recording is full");
			image_write(&image, data, job->pos, job->len);
		} else {
			image_write(&image, NULL, job->pos, job->len);
		}
	}
	crash_add(disk_log, &e);
}

static void answer_one(uint64_t *rnd)
{
	unsigned int i = crash_below(rnd, nr_pending);
	struct pending p = pending[i];
	struct crash_event e = { .what = DISK_DONE, .nr = p.nr };

	pending[i] = pending[--nr_pending];
	crash_add(disk_log, &e);
	nbd_answer(&nbd, &p.job, NULL);
}

/* False at the end. */
static bool serve_one(uint32_t nr)
{
	struct nbd_job job;

	if (!nbd_next(&nbd, &job))
		return false;
	switch (job.type) {
	case NBD_CMD_READ:
		buf = realloc(buf, job.len);
		image_read(&image, buf, job.pos, job.len);
		nbd_answer(&nbd, &job, buf);
		return true;
	case NBD_CMD_WRITE:
		if (!nbd_recv(&nbd, crash_data(disk_log) + disk_log->data_bytes,
			      job.len))
			return false;
		break;
	case NBD_CMD_FLUSH:
		break;
	default:
		fail("a request of type %u", job.type);
	}
	received(&job, nr);
	pending[nr_pending++] = (struct pending){ job, nr };
	return true;
}

static void *until_input_ends(void *arg)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
	ioctl(nbd.dev, NBD_DISCONNECT);
	return arg;
}

int main(int argc, char **argv)
{
	struct timespec wait = { .tv_nsec = WAIT_NS };
	pthread_t thread;
	uint64_t rnd;

	if (argc != 7)
		fail("usage: crash-disk LOG DEVICE BYTES BLOCK fua|nofua|nocache SEED");
	disk_log = crash_map(argv[1], true);
	disk_log->disk_bytes = strtoull(argv[3], NULL, 0);
	disk_log->block = atoi(argv[4]);
	disk_log->cache = !!strcmp(argv[5], "nocache");
	disk_log->fua = !strcmp(argv[5], "fua");
	rnd = crash_seed(1, strtoull(argv[6], NULL, 0));
	image_init(&image, disk_log->disk_bytes, NULL);
	nbd_start(&nbd, argv[2], disk_log);
	errno = pthread_create(&thread, NULL, until_input_ends, NULL);
	must(-errno);
	printf("ready\n");
	fflush(stdout);
	for (uint32_t nr = 0;; nr++) {
		struct pollfd fd = { .fd = nbd.sock, .events = POLLIN };

		/* Mostly the next request is waited for, once in a while not. */
		while (nr_pending &&
		       (nr_pending == PENDING || !crash_below(&rnd, 8) ||
			!ppoll(&fd, 1, &wait, NULL)))
			answer_one(&rnd);
		if (!serve_one(nr))
			break;
	}
	while (nr_pending)
		answer_one(&rnd);
	nbd_stop(&nbd);
	must(truncate(argv[1], CRASH_HEAD + disk_log->data_bytes));
	return 0;
}
