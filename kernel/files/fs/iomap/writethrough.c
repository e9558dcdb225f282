// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered write-through.
 *
 * A write-through write is a buffered write that starts the writeback of exactly
 * the blocks it filled, folio by folio, before it unlocks each folio, and that is
 * over when this I/O is.  The copying is iomap_write_iter()'s, the I/O is made of
 * the ioends that writeback uses; here is what joins the two.
 *
 * Locks, outermost first: the inode lock of the filesystem (held by the caller
 * while it submits, not while it waits), mmap_lock (faults on the user's buffer),
 * the folio lock, the filesystem's own mapping locks.
 *
 * Who waits for whom: everybody who finds a folio under writeback waits for the
 * task that set the bit to submit it, and some of them hold mmap_lock or a folio
 * lock meanwhile.  So that task must not wait for any of these: between marking a
 * folio and submitting its bio it takes no mmap_lock, waits for no folio lock and
 * for no other writeback, is not throttled and enters no direct reclaim on behalf
 * of the page cache.  All hooks below try without sleeping while an ioend is
 * pending, and where that fails they submit first and then sleep.
 *
 *	writer			storer			third
 *	marks A, pending
 *	faults in its buffer	store to A, mkwrite
 *	   mmap_lock read ...	   holds mmap_lock read,
 *				   waits for A		wants mmap_lock write
 *	   ... queued behind third, which is queued behind storer: a circle,
 *	   unless A was submitted before the fault
 *
 * Allocating a bio may sleep for the mempool, which is safe because this task
 * holds at most one bio that was not submitted.  Preparing an ioend may run a
 * transaction, and a map that became stale under a write is looked up again while
 * an ioend is pending, both as in writeback: nothing that holds the filesystem's
 * mapping locks waits for writeback.
 */
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include <linux/blkdev.h>
#include <linux/sched/mm.h>
#include "trace.h"
#include "internal.h"

/*
 * What one write keeps under writeback at most, give or take one folio.  Enough to
 * keep a device busy, little enough not to pin the memory of a large write.
 */
#define IOMAP_WT_MAX_IN_FLIGHT	(8L << 20)

static void iomap_wt_fail(struct iomap_writethrough *wt, loff_t pos, int error)
{
	unsigned long flags;

	spin_lock_irqsave(&wt->lock, flags);
	if (!wt->error) {
		wt->error = error;
		wt->error_pos = pos;
	} else if (pos < wt->error_pos) {
		wt->error_pos = pos;
	}
	spin_unlock_irqrestore(&wt->lock, flags);
}

static void iomap_wt_put(struct iomap_writethrough *wt)
{
	struct task_struct *task = wt->task;

	/*
	 * The submitter may return, and with it @wt go, as soon as it sees NULL,
	 * and then even exit: only RCU keeps its task for the wake-up.
	 */
	rcu_read_lock();
	if (atomic_dec_and_test(&wt->ref)) {
		/* Pairs with the wait: @error is read after it. */
		smp_store_release(&wt->task, NULL);
		blk_wake_io_task(task);
	}
	rcu_read_unlock();
}

/*
 * Can bios alone make data durable?  Only where nothing but the data changes: no
 * conversion, no copy on write, no metadata (the size is some) that is needed to
 * find it and not on the device itself; and not past a cache that nothing goes by.
 */
static bool iomap_wt_durable_by_bio(const struct iomap *iomap)
{
	if (iomap->type != IOMAP_MAPPED ||
	    (iomap->flags & (IOMAP_F_NEW | IOMAP_F_SHARED | IOMAP_F_DIRTY)))
		return false;
	return bdev_fua(iomap->bdev) || !bdev_write_cache(iomap->bdev);
}

/*
 * An ioend of a write-through write is about to be submitted.  It holds a
 * reference until iomap_writethrough_end_ioend().
 */
void iomap_writethrough_submit_ioend(struct iomap_ioend *ioend)
{
	struct iomap_writethrough *wt = ioend->io_wt;

	/* The bio's own count is used up by the time it completes. */
	ioend->io_wt_bytes = ioend->io_bio.bi_iter.bi_size;
	ioend->io_bio.bi_opf |= REQ_IDLE;
	/* Once a sync is needed, it covers this bio too. */
	if (iocb_is_dsync(wt->iocb) && !wt->need_sync) {
		if (bdev_write_cache(ioend->io_bio.bi_bdev))
			ioend->io_bio.bi_opf |= REQ_FUA;
		wt->nr_durable++;
	}
	atomic_inc(&wt->ref);
	atomic_long_add(ioend->io_wt_bytes, &wt->in_flight);
	wt->nr_bios++;
	trace_iomap_writethrough_submit(ioend->io_inode, ioend->io_offset,
					ioend->io_wt_bytes);
}

/*
 * An ioend is done: its folios are no longer under writeback.  Any context.  @wt
 * may be gone on return.
 */
void iomap_writethrough_end_ioend(struct iomap_ioend *ioend, int error)
{
	struct iomap_writethrough *wt = ioend->io_wt;

	if (error)
		iomap_wt_fail(wt, ioend->io_offset, error);

	/* Orders against the submitter's sleep in iomap_wt_throttle(). */
	atomic_long_sub_return(ioend->io_wt_bytes, &wt->in_flight);
	if (READ_ONCE(wt->throttled))
		wake_up_process(wt->task);
	iomap_wt_put(wt);
}

/*
 * For iomap_writethrough_submit(): call that before anything that may wait for a
 * folio, ->iomap_begin() too.
 */
void __iomap_writethrough_submit(struct iomap_writethrough *wt)
{
	/* A failure reaches @wt through the completion of the ioend. */
	iomap_submit_ioend(&wt->wpc, 0);
}
EXPORT_SYMBOL_GPL(__iomap_writethrough_submit);

static void iomap_wt_throttle(struct iomap_writethrough *wt)
{
	WRITE_ONCE(wt->throttled, true);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (atomic_long_read(&wt->in_flight) <=
		    IOMAP_WT_MAX_IN_FLIGHT / 2)
			break;
		blk_io_schedule();
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(wt->throttled, false);
}

/*
 * Before the next folio: stop after an error, bound what is in flight, and pay
 * the toll of all writers of the page cache.  Called with no folio locked.
 */
int iomap_writethrough_throttle(struct iomap_iter *iter, unsigned int bdp_flags)
{
	struct iomap_writethrough *wt = iter->wt;
	struct address_space *mapping = iter->inode->i_mapping;
	int status = READ_ONCE(wt->error);
	long bytes = atomic_long_read(&wt->in_flight);

	if (unlikely(status))
		return status;

	if (wt->wpc.ioend)
		bytes += wt->wpc.ioend->io_bio.bi_iter.bi_size;
	if (bytes >= IOMAP_WT_MAX_IN_FLIGHT) {
		iomap_writethrough_submit(iter);
		iomap_wt_throttle(wt);
	}

	if (iomap_writethrough_pending(iter)) {
		status = balance_dirty_pages_ratelimited_flags(mapping,
						bdp_flags | BDP_ASYNC);
		if (status != -EAGAIN || (bdp_flags & BDP_ASYNC))
			return status;
		iomap_writethrough_submit(iter);
	}
	return balance_dirty_pages_ratelimited_flags(mapping, bdp_flags);
}

static int iomap_wt_write_begin(struct iomap_iter *iter, loff_t pos, size_t len,
		struct folio **foliop)
{
	if (iomap_writethrough_pending(iter) &&
	    !(iter->flags & IOMAP_NOWAIT)) {
		int status;

		iter->flags |= IOMAP_NOWAIT;
		status = iomap_write_begin(iter, pos, len, foliop);
		iter->flags &= ~IOMAP_NOWAIT;
		if (status != -EAGAIN)
			return status;
		iomap_writethrough_submit(iter);
	}
	return iomap_write_begin(iter, pos, len, foliop);
}

/*
 * iomap_write_begin() without sleeping while an ioend is pending, and else with
 * nothing pending.
 */
int iomap_writethrough_write_begin(struct iomap_iter *iter, loff_t pos,
		size_t len, struct folio **foliop)
{
	unsigned int bs = i_blocksize(iter->inode);
	int status = iomap_wt_write_begin(iter, pos, len, foliop);

	/* There is no folio if the map has become stale. */
	if (!status && !(iter->iomap.flags & IOMAP_F_STALE)) {
		u64 start = round_down(pos, bs);
		u64 end = min_t(u64, round_up(pos + len, bs),
				folio_pos(*foliop) + folio_size(*foliop));

		/* Before the copy makes them dirty in any case. */
		iter->wt->was_dirty = folio_test_dirty(*foliop) &&
				iomap_find_dirty_range(*foliop, &start, end);
	}
	return status;
}

/*
 * The folio was found and locked, by a write-through write, or by another that must
 * not wait: FGP_STABLE would.  If it is under writeback, that may be by this very
 * write, when an extent ends inside the folio; in any case its data must not
 * change, and its one writeback bit cannot stand for two I/Os.
 */
int iomap_writethrough_stabilize(struct iomap_iter *iter, struct folio *folio)
{
	if (!folio_test_writeback(folio))
		return 0;
	if (!iter->wt && !mapping_stable_writes(folio->mapping))
		return 0;
	if (iter->flags & IOMAP_NOWAIT)
		return -EAGAIN;
	if (WARN_ON_ONCE(iomap_writethrough_pending(iter)))
		return -EIO;
	folio_wait_writeback(folio);
	return 0;
}

/*
 * Bytes [@pos, @pos + @written) were copied into @folio, accepted, and are within
 * the in-core size.  Put their blocks under writeback and add them to the pending
 * ioend.  The folio is locked, dirty and not under writeback.
 *
 * Errors are left in iter->wt: the bytes are in the page cache whatever happens.
 */
void iomap_writethrough_folio(struct iomap_iter *iter, struct folio *folio,
		loff_t pos, size_t written)
{
	struct iomap_writethrough *wt = iter->wt;
	struct inode *inode = iter->inode;
	unsigned int bs = i_blocksize(inode);
	loff_t start = round_down(pos, bs);
	loff_t end = round_up(pos + written, bs);
	loff_t isize = i_size_read(inode);
	size_t off = offset_in_folio(folio, start);
	size_t len = end - start;
	struct iomap_folio_state *ifs = NULL;
	struct writeback_control wbc = {
		.sync_mode	= WB_SYNC_ALL,
	};
	bool dirty = false;
	int error;

	if (i_blocks_per_folio(inode, folio) > 1) {
		/*
		 * A folio filled in one go has no per-block state yet, but it is
		 * needed if not all of it is sent, and to count what is.
		 */
		ifs = ifs_alloc(inode, folio, iomap_writethrough_pending(iter) ?
				IOMAP_NOWAIT : 0);
		if (!ifs) {
			iomap_writethrough_submit(iter);
			ifs = ifs_alloc(inode, folio, 0);
		}
	}

	/*
	 * Write-protects the folio too, so that a store through mmap has to come
	 * by ->page_mkwrite, which waits for the folio lock and then, as the
	 * mapping is counted as stable, for the I/O.  If there was such a store
	 * already, all blocks are dirty now.
	 */
	folio_clear_dirty_for_io(folio);
	iomap_clear_range_dirty(folio, off, len);
	if (ifs) {
		u64 from = folio_pos(folio);
		u64 folio_end = from + folio_size(folio);
		u64 to = min_t(u64, folio_end, round_up(isize, bs));

		if (iomap_find_dirty_range(folio, &from, to)) {
			dirty = true;
			folio_redirty_for_writepage(&wbc, folio);
		} else {
			/*
			 * Blocks beyond EOF may be dirty by a store through mmap.
			 * Nobody writes them, and once the folio is clean nobody
			 * would zero them either.
			 */
			from = to;
			if (iomap_find_dirty_range(folio, &from, folio_end))
				folio_zero_segment(folio, to - folio_pos(folio),
						   folio_size(folio));
			iomap_clear_range_dirty(folio, 0, folio_size(folio));
		}
	}

	/* A store through mmap may have left bytes beyond EOF. */
	if (end > isize)
		folio_zero_segment(folio, offset_in_folio(folio, isize),
				   off + len);

	if (dirty)
		folio_start_writeback_keepwrite(folio);
	else
		folio_start_writeback(folio);

	/* Valid: iomap_write_begin() checked it under this folio's lock. */
	wt->wpc.iomap = iter->iomap;
	if (!iomap_wt_durable_by_bio(&iter->iomap))
		wt->need_sync = true;
	error = iomap_add_to_ioend(&wt->wpc, &wbc, folio, inode, start,
				   min(end, isize), len);
	if (unlikely(error)) {
		/* The ioend before could not be submitted: not sent. */
		iomap_wt_fail(wt, start, error);
		iomap_set_range_dirty(folio, off, len);
		folio_redirty_for_writepage(&wbc, folio);
		folio_end_writeback(folio);
	} else {
		wt->wpc.nr_folios++;
		if (wt->was_dirty)
			wt->wpc.ioend->io_wt_mixed = true;
	}
	trace_iomap_writethrough_folio(inode, start, len);
}

/*
 * An ioend is pending here only if the last map had become stale, most often
 * because an earlier part of this very write was converted meanwhile.  To submit
 * then would cut an extent into a bio for each such conversion.  The filesystem
 * finds blocks allocated where the stale map had them, so it takes no lock but
 * those of the map; what it allocates must not wait for our folios.
 */
static int iomap_wt_iter(struct iomap_iter *iter, const struct iomap_ops *ops)
{
	unsigned int nofs_flag;
	int ret;

	if (!iomap_writethrough_pending(iter))
		return iomap_iter(iter, ops);

	nofs_flag = memalloc_nofs_save();
	ret = iomap_iter(iter, ops);
	memalloc_nofs_restore(nofs_flag);
	return ret;
}

/**
 * iomap_writethrough_write - copy into the page cache and submit
 * @wt: uninitialised context of the write
 * @iocb: the I/O; ki_pos moves by what was copied
 * @from: the data
 * @ops: maps like those of a buffered write, but never delayed allocation
 * @wb_ops: ->prepare_ioend as for writeback
 * @private: for @ops
 *
 * Context: as iomap_file_buffered_write(); may sleep.
 * Return: bytes copied and submitted, or a negative error if there are none.
 * In both cases iomap_writethrough_finish() must follow.  The caller drops the
 * inode lock in between.
 */
ssize_t iomap_writethrough_write(struct iomap_writethrough *wt,
		struct kiocb *iocb, struct iov_iter *from,
		const struct iomap_ops *ops,
		const struct iomap_writeback_ops *wb_ops, void *private)
{
	struct iomap_iter iter = {
		.inode		= iocb->ki_filp->f_mapping->host,
		.pos		= iocb->ki_pos,
		.len		= iov_iter_count(from),
		.flags		= IOMAP_WRITE | IOMAP_WRITETHROUGH,
		.private	= private,
		.wt		= wt,
	};
	ssize_t ret;

	memset(wt, 0, sizeof(*wt));
	wt->wpc.ops = wb_ops;
	wt->wpc.wt = wt;
	wt->iocb = iocb;
	wt->inode = iter.inode;
	wt->pos = iter.pos;
	wt->len = iter.len;
	wt->task = current;
	/* O_SYNC makes the timestamps durable too. */
	wt->need_sync = iocb->ki_flags & IOCB_SYNC;
	atomic_set(&wt->ref, 1);
	spin_lock_init(&wt->lock);

	trace_iomap_writethrough_begin(iter.inode, iter.pos, iter.len);

	/* Before the first folio is marked, until the last is done. */
	mapping_get_stable_writes(iter.inode->i_mapping);

	while ((ret = iomap_wt_iter(&iter, ops)) > 0)
		iter.processed = iomap_write_iter(&iter, from);
	iomap_writethrough_submit(&iter);

	if (iter.pos == iocb->ki_pos)
		return ret;
	ret = iter.pos - iocb->ki_pos;
	iocb->ki_pos = iter.pos;
	return ret;
}
EXPORT_SYMBOL_GPL(iomap_writethrough_write);

/*
 * The device refused data: do not go on serving it from the cache.  Folios that
 * are dirty hold data of others too and stay.
 */
static void iomap_wt_drop_cache(struct iomap_writethrough *wt, loff_t end)
{
	loff_t start = round_down(wt->error_pos, i_blocksize(wt->inode));

	invalidate_inode_pages2_range(wt->inode->i_mapping,
			start >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT);
}

/**
 * iomap_writethrough_finish - wait for a write-through write
 * @wt: what iomap_writethrough_write() filled
 * @from: the data; moved back to what was not written
 * @ret: what it returned
 *
 * Context: may sleep; the caller holds no inode or folio lock unless @ret is
 * negative, when nothing is in flight.  Not interruptible: @wt is on the stack.
 * Return: bytes on the device, all of them in front of the first failure, or a
 * negative error if there are none.  -ENOSPC, -EDQUOT or -EIO after an I/O error,
 * like the errors of fsync(); in particular never -EAGAIN or -EOPNOTSUPP, which
 * tell a caller to try another way.  ki_pos is moved back to what is good.
 */
ssize_t iomap_writethrough_finish(struct iomap_writethrough *wt,
		struct iov_iter *from, ssize_t ret)
{
	struct kiocb *iocb = wt->iocb;

	if (!atomic_dec_and_test(&wt->ref)) {
		for (;;) {
			set_current_state(TASK_UNINTERRUPTIBLE);
			/* Pairs with iomap_wt_put(). */
			if (!smp_load_acquire(&wt->task))
				break;
			blk_io_schedule();
		}
		__set_current_state(TASK_RUNNING);
	}
	mapping_put_stable_writes(wt->inode->i_mapping);

	if (unlikely(wt->error) && ret > 0) {
		ssize_t copied = ret;

		if (wt->error != -ENOSPC && wt->error != -EDQUOT)
			wt->error = -EIO;
		iomap_wt_drop_cache(wt, wt->pos + copied);
		ret = max_t(loff_t, wt->error_pos - wt->pos, 0);
		iocb->ki_pos = wt->pos + ret;
		/* A caller that goes on after a short write goes on from here. */
		iov_iter_revert(from, copied - ret);
		if (!ret)
			ret = wt->error;
	}
	trace_iomap_writethrough_complete(wt->inode, wt->pos,
					  ret > 0 ? ret : 0);
	return ret;
}
EXPORT_SYMBOL_GPL(iomap_writethrough_finish);
