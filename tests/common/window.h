/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For races between a writer on processor 1 and the completion of its I/O on processor 0:
 * a disk, served by this process, that keeps writes until they are answered one by one,
 * so that the order of all that happens is the test's.  With slow.h.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include "nbd.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <time.h>

#define MS 1000000L
#define WINDOW_BYTES (64ULL << 20)
#define WINDOW_KEPT 64

#define WINDOW_DEVICE "nbd0"
#define WINDOW_QUEUE "/sys/block/" WINDOW_DEVICE "/queue/"
#define WINDOW_WORK_CPUS "/sys/devices/virtual/workqueue/cpumask"

struct window_file {
	const char *path;
	char old[64];
};

static struct {
	struct nbd nbd;
	struct image image;
	uint8_t data[32 << 20];
	pthread_t disk, awake;
	/* Of the answers, and what was kept */
	pthread_mutex_t lock;
	struct nbd_job kept[WINDOW_KEPT];
	unsigned int answered;
	atomic_uint nr_kept;
	/* How many bytes, and since when that many */
	atomic_ulong kept_bytes, kept_at;
	/* Shall the disk keep this write?  Not if it is NULL. */
	bool (*_Atomic keeps)(const struct nbd_job *job, const uint8_t *data);
	atomic_bool done;
	struct window_file files[8];
	unsigned int nr_files;
} window = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline uint64_t window_now(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static inline void window_on_processor(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(sched_setaffinity(0, sizeof(set), &set));
}

/* --- Settings ------------------------------------------------------------------- */

/* Other tests are to find all as it was, also if this one fails. */
static inline void window_set_back(void)
{
	while (window.nr_files) {
		struct window_file *f = &window.files[--window.nr_files];
		int fd = open(f->path, O_WRONLY);

		if (fd < 0 || write(fd, f->old, strlen(f->old)) < 0)
			fprintf(stderr, "%s: %s\n", f->path,
				strerrorname_np(errno));
		close(fd);
	}
}

static inline void window_set(const char *path, const char *value)
{
	struct window_file *f = &window.files[window.nr_files++];
	int fd = must(open(path, O_RDWR));

	f->path = path;
	must(read(fd, f->old, sizeof(f->old) - 1));
	f->old[strcspn(f->old, "\n")] = 0;
	want(pwrite(fd, value, strlen(value), 0), strlen(value));
	must(close(fd));
}

/* --- The disk ------------------------------------------------------------------- */

static inline void window_answer_job(const struct nbd_job *job, void *data)
{
	pthread_mutex_lock(&window.lock);
	nbd_answer(&window.nbd, job, data);
	pthread_mutex_unlock(&window.lock);
}

/* Until as many bytes are kept. */
static inline void window_await(size_t bytes)
{
	while (window.kept_bytes < bytes)
		usleep(1000);
}

/* The first @nr writes that are kept end now. */
static inline void window_answer(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		window_answer_job(&window.kept[window.answered++], NULL);
}

/* So do all others, and the disk keeps no more. */
static inline void window_answer_all(void)
{
	window.keeps = NULL;
	window_answer(window.nr_kept - window.answered);
	window.answered = 0;
	window.nr_kept = 0;
	window.kept_bytes = 0;
}

static inline void *window_serve(void *unused)
{
	bool (*keeps)(const struct nbd_job *job, const uint8_t *data);
	struct nbd_job job;

	window_on_processor(0);
	while (nbd_next(&window.nbd, &job)) {
		if (job.len > sizeof(window.data))
			fail("a request of %zu bytes", (size_t)job.len);
		if (job.type == NBD_CMD_READ) {
			image_read(&window.image, window.data, job.pos,
				   job.len);
			window_answer_job(&job, window.data);
			continue;
		}
		if (job.type != NBD_CMD_WRITE)
			fail("a request of type %u", job.type);
		if (!nbd_recv(&window.nbd, window.data, job.len))
			break;
		image_write(&window.image, window.data, job.pos, job.len);
		keeps = window.keeps;
		if (keeps && keeps(&job, window.data)) {
			if (window.nr_kept == WINDOW_KEPT)
				fail("more than %d writes", WINDOW_KEPT);
			window.kept[window.nr_kept] = job;
			window.nr_kept++;
			window.kept_at = window_now();
			window.kept_bytes += job.len;
		} else {
			window_answer_job(&job, NULL);
		}
	}
	return unused;
}

/* An idle processor leaves its timers to the other one, which is busy in a window. */
static inline void *window_keep_awake(void *unused)
{
	struct sched_param none = { 0 };

	window_on_processor(1);
	must(sched_setscheduler(0, SCHED_IDLE, &none));
	while (!window.done)
		;
	return unused;
}

/*
 * XFS on the disk, mounted at @dir, and the caller on processor 1.  All that the kernel
 * does for the disk's answers is on processor 0.
 */
static inline void window_start(const char *dir)
{
	static struct crash_log shape;

	shape.disk_bytes = WINDOW_BYTES;
	shape.block = 512;
	must(atexit(window_set_back));
	window_set(WINDOW_WORK_CPUS, "1");
	image_init(&window.image, WINDOW_BYTES, NULL);
	nbd_start(&window.nbd, "/dev/" WINDOW_DEVICE, &shape);
	want(pthread_create(&window.disk, NULL, window_serve, NULL), 0);
	if (system("mkfs.xfs -q -f -K --unsupported -d agcount=2 -l size=8m /dev/" WINDOW_DEVICE
		   " >/dev/null"))
		fail("mkfs.xfs");
	must(mount("/dev/" WINDOW_DEVICE, dir, "xfs", 0, NULL));
	/* What ends a request runs where the request was answered. */
	window_set(WINDOW_QUEUE "rq_affinity", "0");
	/* As many requests as the filesystem has sent. */
	window_set(WINDOW_QUEUE "nomerges", "2");
	window_on_processor(1);
	want(pthread_create(&window.awake, NULL, window_keep_awake, NULL), 0);
}

/* The files are closed. */
static inline void window_end(const char *dir)
{
	window.done = true;
	want(pthread_join(window.awake, NULL), 0);
	must(umount(dir));
	window_set_back();
	nbd_stop(&window.nbd);
	want(pthread_join(window.disk, NULL), 0);
}

#endif
