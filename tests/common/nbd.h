/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A block device served by this process: the kernel's nbd at one end of a pair of
 * sockets.  And images: memory that takes up only what was written.
 */
#ifndef NBD_H
#define NBD_H

#include "crash.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct nbd {
	int dev, sock, kernel_sock;
	pthread_t thread;
};

struct nbd_job {
	uint64_t handle;
	uint32_t type;
	bool fua;
	uint64_t pos, len;
};

static inline void *nbd_device_thread(void *arg)
{
	struct nbd *nbd = arg;
	sigset_t all;

	/* A signal would end it; one that nobody waits for, too: SIGCHLD of system(). */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	/* Until the socket is shut down. */
	ioctl(nbd->dev, NBD_DO_IT);
	return NULL;
}

static inline void nbd_start(struct nbd *nbd, const char *dev,
			     const struct crash_log *log)
{
	int pair[2];
	unsigned long flags = NBD_FLAG_HAS_FLAGS;

	if (log->cache)
		flags |= NBD_FLAG_SEND_FLUSH;
	if (log->fua)
		flags |= NBD_FLAG_SEND_FUA;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	nbd->sock = pair[0];
	nbd->kernel_sock = pair[1];
	nbd->dev = must(open(dev, O_RDWR));
	must(ioctl(nbd->dev, NBD_SET_SOCK, nbd->kernel_sock));
	must(ioctl(nbd->dev, NBD_SET_BLKSIZE, (unsigned long)log->block));
	must(ioctl(nbd->dev, NBD_SET_SIZE_BLOCKS,
		   (unsigned long)(log->disk_bytes / log->block)));
	must(ioctl(nbd->dev, NBD_SET_FLAGS, flags));
	errno = pthread_create(&nbd->thread, NULL, nbd_device_thread, nbd);
	must(-errno);
}

static inline void nbd_stop(struct nbd *nbd)
{
	ioctl(nbd->dev, NBD_DISCONNECT);
	shutdown(nbd->sock, SHUT_RDWR);
	pthread_join(nbd->thread, NULL);
	ioctl(nbd->dev, NBD_CLEAR_SOCK);
	close(nbd->dev);
	close(nbd->kernel_sock);
	close(nbd->sock);
}

/* False at the end. */
static inline bool nbd_recv(const struct nbd *nbd, void *buf, size_t len)
{
	for (uint8_t *p = buf; len;) {
		ssize_t ret = recv(nbd->sock, p, len, MSG_WAITALL);

		if (ret <= 0)
			return false;
		p += ret;
		len -= ret;
	}
	return true;
}

/* The data of a write is still to be received.  False at the end. */
static inline bool nbd_next(const struct nbd *nbd, struct nbd_job *job)
{
	struct nbd_request r;

	if (!nbd_recv(nbd, &r, sizeof(r)))
		return false;
	if (r.magic != htonl(NBD_REQUEST_MAGIC))
		fail("no request of nbd");
	memcpy(&job->handle, r.handle, sizeof(job->handle));
	job->type = ntohl(r.type) & 0xffff;
	job->fua = ntohl(r.type) & NBD_CMD_FLAG_FUA;
	job->pos = be64toh(r.from);
	job->len = ntohl(r.len);
	return job->type != NBD_CMD_DISC;
}

static inline void nbd_answer(const struct nbd *nbd, const struct nbd_job *job,
			      const void *data)
{
	struct nbd_reply r = { .magic = htonl(NBD_REPLY_MAGIC) };
	struct iovec iov[] = { { &r, sizeof(r) },
			       { (void *)data, data ? job->len : 0 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t left = sizeof(r) + iov[1].iov_len;

	memcpy(r.handle, &job->handle, sizeof(job->handle));
	while (left) {
		ssize_t ret = sendmsg(nbd->sock, &msg, MSG_NOSIGNAL);

		/* Disconnected: nobody waits for it. */
		if (ret <= 0)
			return;
		left -= ret;
		for (int i = 0; i < 2; i++) {
			size_t n = (size_t)ret < iov[i].iov_len ?
					   (size_t)ret :
					   iov[i].iov_len;

			iov[i].iov_base = (uint8_t *)iov[i].iov_base + n;
			iov[i].iov_len -= n;
			ret -= n;
		}
	}
}

/* --- Images ----------------------------------------------------------------- */

#define CHUNK 4096

/* What is not written here is as in the image below, or stale. */
struct image {
	const struct image *below;
	uint64_t chunks;
	uint8_t **chunk;
	uint32_t *written;
	uint32_t nr_written;
};

static inline void image_init(struct image *im, uint64_t bytes,
			      const struct image *below)
{
	im->below = below;
	im->chunks = bytes / CHUNK;
	im->chunk = calloc(im->chunks, sizeof(*im->chunk));
	im->written = calloc(im->chunks, sizeof(*im->written));
	im->nr_written = 0;
	if (!im->chunk || !im->written)
		fail("no memory");
}

static inline const uint8_t *image_chunk(const struct image *im, uint64_t c)
{
	static uint8_t stale[CHUNK];

	if (!stale[0])
		memset(stale, CRASH_STALE, CHUNK);
	if (c >= im->chunks)
		fail("beyond the end of the disk");
	for (; im; im = im->below)
		if (im->chunk[c])
			return im->chunk[c];
	return stale;
}

static inline void image_read(const struct image *im, void *buf, uint64_t pos,
			      uint64_t len)
{
	for (uint8_t *to = buf; len;) {
		uint64_t in = pos % CHUNK;
		uint64_t n = len < CHUNK - in ? len : CHUNK - in;

		memcpy(to, image_chunk(im, pos / CHUNK) + in, n);
		to += n;
		pos += n;
		len -= n;
	}
}

/* @buf of NULL stands for zeroes. */
static inline void image_write(struct image *im, const uint8_t *buf,
			       uint64_t pos, uint64_t len)
{
	while (len) {
		uint64_t c = pos / CHUNK, in = pos % CHUNK;
		uint64_t n = len < CHUNK - in ? len : CHUNK - in;

		if (c >= im->chunks)
			fail("beyond the end of the disk");
		if (!im->chunk[c]) {
			uint8_t *new = malloc(CHUNK);

			if (!new)
				fail("no memory");
			if (n < CHUNK)
				memcpy(new, image_chunk(im, c), CHUNK);
			im->chunk[c] = new;
			im->written[im->nr_written++] = c;
		}
		if (buf) {
			memcpy(im->chunk[c] + in, buf, n);
			buf += n;
		} else {
			memset(im->chunk[c] + in, 0, n);
		}
		pos += n;
		len -= n;
	}
}

static inline void image_reset(struct image *im)
{
	while (im->nr_written) {
		uint32_t c = im->written[--im->nr_written];

		free(im->chunk[c]);
		im->chunk[c] = NULL;
	}
}

#endif
