// SPDX-License-Identifier: GPL-2.0-only
/*
 * A writer fills preallocated blocks by write-through and publishes how far it
 * got; direct readers must find data in all that was published.
 */
#include "wttest.h"

#include <pthread.h>
#include <stdatomic.h>

#define UNIT 4096
#define UNITS 2048

static char path[4096];
static atomic_int published;

static void *reader(void *arg)
{
	int fd = must(open(path, O_RDONLY | O_DIRECT)), end;
	unsigned int r = (uintptr_t)arg;
	uint8_t *buf;

	if (posix_memalign((void **)&buf, UNIT, UNIT))
		fail("no memory");
	do {
		end = atomic_load(&published);
		if (end) {
			/* Mostly the newest, which is what may be in between. */
			int i = rand_r(&r) % 2 ? end - 1 : rand_r(&r) % end;

			want(pread(fd, buf, UNIT, (off_t)i * UNIT), UNIT);
			want(wt_differs(buf, UNIT, (off_t)i * UNIT, 1), -1);
		}
	} while (end < UNITS);
	return NULL;
}

int main(int argc, char **argv)
{
	uint8_t buf[UNIT];
	pthread_t t[2];
	int fd;

	if (argc != 2)
		fail("usage: reader-race DIR");
	snprintf(path, sizeof(path), "%s/reader-race", argv[1]);
	fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
	must(fallocate(fd, 0, 0, (off_t)UNIT * UNITS));
	for (uintptr_t i = 0; i < 2; i++)
		must(-pthread_create(&t[i], NULL, reader, (void *)(i + 1)));
	for (int i = 0; i < UNITS; i++) {
		wt_fill(buf, UNIT, (off_t)i * UNIT, 1);
		want(wt_raw_pwrite(fd, buf, UNIT, (off_t)i * UNIT,
				   RWF_WRITETHROUGH),
		     UNIT);
		atomic_store(&published, i + 1);
	}
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	return 0;
}
