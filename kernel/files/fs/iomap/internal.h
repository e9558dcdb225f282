/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the buffered I/O code and write-through share.
 */
#ifndef _IOMAP_INTERNAL_H
#define _IOMAP_INTERNAL_H

#include <linux/iomap_writethrough.h>

/*
 * Structure allocated for each folio to track per-block uptodate, dirty state
 * and I/O completions.
 */
struct iomap_folio_state {
	/* protects the bitmap below, read_bytes_pending and write_waited */
	spinlock_t		state_lock;
	unsigned int		read_bytes_pending;
	atomic_t		write_bytes_pending;
	/* write-through writes since the folio went under writeback; folio lock */
	unsigned short		write_joins;
	/* somebody waits for blocks to come back from the device */
	bool			write_waited;

	/*
	 * Each block has three bits in this bitmap:
	 * Bits [0..blocks_per_folio)  has the uptodate status.
	 * Bits [b_p_f...(2*b_p_f))    has the dirty status.
	 * Bits [2*b_p_f...(3*b_p_f))  is in flight: part of an ioend.
	 */
	unsigned long		state[];
};

extern struct bio_set iomap_ioend_bioset;

struct iomap_folio_state *ifs_alloc(struct inode *inode, struct folio *folio,
		unsigned int flags);
unsigned int iomap_find_dirty_range(struct folio *folio, u64 *range_start,
		u64 range_end);
void iomap_clear_range_dirty(struct folio *folio, size_t off, size_t len);
int iomap_write_begin(struct iomap_iter *iter, loff_t pos, size_t len,
		struct folio **foliop);
/* Of functions that are inline for buffered writes. */
void iomap_writethrough_set_dirty(struct folio *folio, size_t off, size_t len);
loff_t iomap_writethrough_write_iter(struct iomap_iter *iter, struct iov_iter *i);
int iomap_add_to_ioend(struct iomap_writepage_ctx *wpc,
		struct writeback_control *wbc, struct folio *folio,
		struct inode *inode, loff_t pos, loff_t end_pos,
		unsigned int len);
int iomap_submit_ioend(struct iomap_writepage_ctx *wpc, int error);

/* Hooks of iomap_write_iter(), in the order it calls them. */
int iomap_writethrough_throttle(struct iomap_iter *iter);
int iomap_writethrough_write_begin(struct iomap_iter *iter, loff_t pos,
		size_t len, struct folio **foliop);
int iomap_writethrough_stabilize(struct iomap_iter *iter, struct folio *folio,
		loff_t pos, size_t len);
struct folio *iomap_writethrough_next_folio(struct iomap_iter *iter, loff_t pos);
void iomap_writethrough_folio(struct iomap_iter *iter, struct folio *folio,
		loff_t pos, size_t written);

/* Hooks of the ioend's life. */
void iomap_writethrough_submit_ioend(struct iomap_ioend *ioend);
void iomap_writethrough_defer_ioend(struct iomap_ioend *ioend);
void iomap_writethrough_end_ioend(struct iomap_ioend *ioend, int error);

/* These bytes of @folio, which is locked, are part of an ioend from now on. */
static inline void ifs_set_range_in_flight(struct inode *inode,
		struct folio *folio, struct iomap_folio_state *ifs, size_t off,
		size_t len)
{
	unsigned int first_blk = off >> inode->i_blkbits;
	unsigned int last_blk = (off + len - 1) >> inode->i_blkbits;
	unsigned long flags;

	spin_lock_irqsave(&ifs->state_lock, flags);
	bitmap_set(ifs->state,
		   2 * i_blocks_per_folio(inode, folio) + first_blk,
		   last_blk - first_blk + 1);
	spin_unlock_irqrestore(&ifs->state_lock, flags);
}

/* And no longer.  Any context. */
static inline void ifs_clear_range_in_flight(struct inode *inode,
		struct folio *folio, struct iomap_folio_state *ifs, size_t off,
		size_t len)
{
	unsigned int first_blk = off >> inode->i_blkbits;
	unsigned int last_blk = (off + len - 1) >> inode->i_blkbits;
	unsigned long flags;
	bool waited;

	spin_lock_irqsave(&ifs->state_lock, flags);
	bitmap_clear(ifs->state,
		     2 * i_blocks_per_folio(inode, folio) + first_blk,
		     last_blk - first_blk + 1);
	waited = ifs->write_waited;
	ifs->write_waited = false;
	spin_unlock_irqrestore(&ifs->state_lock, flags);

	if (unlikely(waited))
		wake_up_var(folio);
}

/*
 * Segments to allocate for a bio that starts at file position @pos.  Writeback
 * cannot know what it will find; a write-through write knows what it has left.
 */
static inline unsigned short
iomap_ioend_nr_vecs(const struct iomap_writepage_ctx *wpc, loff_t pos)
{
	loff_t end;

	if (!wpc->wt)
		return BIO_MAX_VECS;
	end = min_t(loff_t, wpc->wt->pos + wpc->wt->len,
		    wpc->iomap.offset + wpc->iomap.length);
	return bio_max_segs(DIV_ROUND_UP(end - round_down(pos, PAGE_SIZE),
					 PAGE_SIZE));
}

/* The bio of a write that must not wait was allocated in time. */
static inline struct bio *iomap_writethrough_bio(struct iomap_writepage_ctx *wpc)
{
	struct bio *bio = NULL;

	if (wpc->wt)
		swap(bio, wpc->wt->bio);
	return bio;
}

#endif /* _IOMAP_INTERNAL_H */
