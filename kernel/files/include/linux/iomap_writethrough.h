/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffered write-through: a write that runs the writeback of what it wrote.
 */
#ifndef LINUX_IOMAP_WRITETHROUGH_H
#define LINUX_IOMAP_WRITETHROUGH_H

#include <linux/iomap.h>

/**
 * struct iomap_writethrough - one write-through write
 * @wpc: the writeback context; its ioend is what is not submitted yet
 * @iocb: the caller's I/O
 * @inode: the file written to
 * @pos: where the write starts in the file, in bytes
 * @len: bytes the caller asked to write
 * @ref: one for the submitter and one for each ioend submitted
 * @task: the submitter, which waits; NULL once @ref fell to zero
 * @in_flight: bytes under writeback that were submitted
 * @throttled: the submitter waits for @in_flight to fall
 * @nr_bios: bios submitted
 * @nr_durable: those of them that were durable by themselves when they ended
 * @need_sync: if the write has to be durable, its bios alone do not make it so
 * @was_dirty: the blocks to write to were dirty: they have data of others
 * @lock: protects @error and @error_pos
 * @error: the first error of an ioend
 * @error_pos: the lowest file position that an ioend failed at
 *
 * Lives on the stack of the submitter, who must call iomap_writethrough_finish()
 * before it goes out of scope.
 */
struct iomap_writethrough {
	struct iomap_writepage_ctx	wpc;
	struct kiocb			*iocb;
	struct inode			*inode;
	loff_t				pos;
	size_t				len;
	atomic_t			ref;
	struct task_struct		*task;
	atomic_long_t			in_flight;
	bool				throttled;
	unsigned int			nr_bios;
	unsigned int			nr_durable;
	bool				need_sync;
	bool				was_dirty;
	/* taken in the completion of bios too, so with interrupts off */
	spinlock_t			lock;
	int				error;
	loff_t				error_pos;
};

ssize_t iomap_writethrough_write(struct iomap_writethrough *wt,
		struct kiocb *iocb, struct iov_iter *from,
		const struct iomap_ops *ops,
		const struct iomap_writeback_ops *wb_ops, void *private);
ssize_t iomap_writethrough_finish(struct iomap_writethrough *wt,
		struct iov_iter *from, ssize_t ret);
void __iomap_writethrough_submit(struct iomap_writethrough *wt);

/*
 * True while this write has marked folios as under writeback that no device has
 * been sent yet.  It must not sleep on anything then, see writethrough.c.
 */
static inline bool iomap_writethrough_pending(const struct iomap_iter *iter)
{
	return iter->wt && iter->wt->wpc.ioend;
}

static inline void iomap_writethrough_submit(struct iomap_iter *iter)
{
	if (iomap_writethrough_pending(iter))
		__iomap_writethrough_submit(iter->wt);
}

#endif /* LINUX_IOMAP_WRITETHROUGH_H */
