// SPDX-License-Identifier: GPL-2.0-only
/*
 * When a write-through write moves the end of the file past a block, the folio that
 * had the old end is write-protected again, so that a store to a block that has
 * become part of the file is noticed and gets its block allocated.
 *
 * The folio is made writable while the write is in the fault on its buffer, held by
 * userfaultfd: after XFS has cleaned up around the old end, before the size grows.
 * Fails if the store is lost: the folio was writable, nobody saw it, the block is a
 * hole.
 *
 * need: disk nullblk,cache,size=512M
 * mkfs: -b size=1024
 * timeout: 30
 */
#include "../common/wttest.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE 4096
#define OLD_END 100
#define NEW_POS 8192
#define STORE_POS 1200

static int fd;
static uint8_t *buf;

static void *write_thread(void *arg)
{
	(void)arg;
	want(wt_raw_pwrite(fd, buf, 50, NEW_POS, RWF_WRITETHROUGH), 50);
	return NULL;
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .len = PAGE };
	struct uffd_msg msg;
	char path[4096];
	uint8_t *map, data[PAGE], got[PAGE];
	pthread_t writer;
	int uffd;

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	wt_fill(data, PAGE, 0, 1);
	want(pwrite(fd, data, OLD_END, 0), OLD_END);
	must(fsync(fd));
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || buf == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	uffd = must(syscall(SYS_userfaultfd, O_CLOEXEC));
	must(ioctl(uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)buf;
	reg.range.len = PAGE;
	must(ioctl(uffd, UFFDIO_REGISTER, &reg));

	must(-pthread_create(&writer, NULL, write_thread, NULL));
	want(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	*(volatile uint8_t *)map = 7;
	wt_fill(data, PAGE, NEW_POS, 2);
	copy.dst = (uintptr_t)buf;
	copy.src = (uintptr_t)data;
	must(ioctl(uffd, UFFDIO_COPY, &copy));
	must(-pthread_join(writer, NULL));

	for (int i = 0; i < 100; i++)
		((volatile uint8_t *)map)[STORE_POS + i] = 9;
	must(fsync(fd));
	must(munmap(map, PAGE));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	want(pread(fd, got, PAGE, 0), PAGE);
	want(got[0], 7);
	want(wt_differs(got + 1, OLD_END - 1, 1, 1), -1);
	want(wt_differs(got + OLD_END, STORE_POS - OLD_END, 0, 0), -1);
	for (int i = 0; i < 100; i++)
		want(got[STORE_POS + i], 9);
	want(pread(fd, got, 50, NEW_POS), 50);
	want(wt_differs(got, 50, NEW_POS, 2), -1);
	return 0;
}
