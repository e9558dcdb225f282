// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing sleeps while it holds folios under writeback that were not sent: the
 * fault that brings in the writer's buffer needs mmap_lock, a store to the mapped
 * file waits for writeback under it, and a third thread queues for it
 * exclusively.  If the write keeps something back while it faults, the three
 * wait for each other and this test runs into its time limit.  So does a write
 * whose buffer is a mapping of the range it writes.
 *
 * need: disk nullblk,cache,size=512M
 * timeout: 90
 */
#include "../common/wttest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define LEN (64 << 10)

static atomic_int stop;
static int fd;
static uint8_t *file_map;

static void *store_thread(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; !atomic_load(&stop); i++)
		*(volatile uint8_t *)(file_map + (i * 509) % LEN) = i | 1;
	return NULL;
}

static void *mmap_thread(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap: %s", strerrorname_np(errno));
		munmap(p, 4096);
	}
	return NULL;
}

int main(void)
{
	int rounds = atoi(wt_env("WT_LAB_DEBUG")) ? 500 : 3000;
	char path[4096], src_path[4096];
	pthread_t a, b;
	uint8_t *buf, *got;
	int src;

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	snprintf(src_path, sizeof(src_path), "%s/source", wt_env("TEST_DIR"));
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	src = must(open(src_path, O_RDWR | O_CREAT, 0644));
	got = malloc(2 * LEN);
	wt_fill(got, LEN, 0, 1);
	want(pwrite(fd, got, LEN, 0), LEN);
	want(pwrite(src, got, LEN, 0), LEN);
	file_map =
		mmap(NULL, 2 * LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	buf = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, src, 0);
	if (file_map == MAP_FAILED || buf == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));

	must(-pthread_create(&a, NULL, store_thread, NULL));
	must(-pthread_create(&b, NULL, mmap_thread, NULL));
	for (int i = 0; i < rounds; i++) {
		/* Every page of the buffer faults again. */
		must(madvise(buf, LEN, MADV_DONTNEED));
		want(wt_raw_pwrite(fd, buf, LEN, 0, RWF_WRITETHROUGH), LEN);
	}
	atomic_store(&stop, 1);
	pthread_join(a, NULL);
	pthread_join(b, NULL);

	/* The file into itself: onto the same pages, then a page further on. */
	for (int i = 0; i < 20; i++) {
		wt_fill(got, LEN, 0, 3 + i);
		want(pwrite(fd, got, LEN, 0), LEN);
		must(fsync(fd));
		must(madvise(file_map, 2 * LEN, MADV_DONTNEED));
		must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
		want(wt_raw_pwrite(fd, file_map, LEN, 0, RWF_WRITETHROUGH),
		     LEN);
		want(pread(fd, got, LEN, 0), LEN);
		want(wt_differs(got, LEN, 0, 3 + i), -1);
		must(madvise(file_map, 2 * LEN, MADV_DONTNEED));
		want(wt_raw_pwrite(fd, file_map, LEN, LEN, RWF_WRITETHROUGH),
		     LEN);
		want(pread(fd, got, 2 * LEN, 0), 2 * LEN);
		want(wt_differs(got, LEN, 0, 3 + i), -1);
		if (memcmp(got, got + LEN, LEN))
			fail("the copy of the file in itself differs");
	}
	return 0;
}
