/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A lock that many may hold, all in one of two states: see lib/two_state_lock.c.
 */
#ifndef _LINUX_TWO_STATE_LOCK_H
#define _LINUX_TWO_STATE_LOCK_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>

#define TWO_STATE_COUNT		GENMASK(27, 0)	/* holders */
#define TWO_STATE_STATE		BIT(28)		/* theirs, or that of the last */
#define TWO_STATE_FLAG		BIT(29)		/* the user's */
#define TWO_STATE_WAITERS	BIT(30)		/* @waiters is not empty */

struct two_state_lock {
	atomic_t		word;
	spinlock_t		lock;		/* protects @waiters */
	struct list_head	waiters;	/* in the order they came */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct lockdep_map	dep_map;
#endif
};

void __two_state_lock_init(struct two_state_lock *l, const char *name,
		struct lock_class_key *key);

#define two_state_lock_init(l)						\
do {									\
	static struct lock_class_key __key;				\
									\
	__two_state_lock_init((l), #l, &__key);				\
} while (0)

bool two_state_trylock(struct two_state_lock *l, unsigned int state);
void two_state_disown(struct two_state_lock *l);
void two_state_unlock_disowned(struct two_state_lock *l);
void two_state_wait_idle(struct two_state_lock *l);

/* For those below, where somebody has to wait or waits. */
void __two_state_lock(struct two_state_lock *l, unsigned int state);
void __two_state_unlock(struct two_state_lock *l);

/*
 * Enter if that is possible now; @past: bits that do not keep the caller out.  Inline,
 * because most find the lock as they want it: held or left in their state, and nobody
 * waits.
 */
static __always_inline bool __two_state_enter(struct two_state_lock *l,
		unsigned int state, unsigned int past)
{
	unsigned int want = state ? TWO_STATE_STATE : 0;
	unsigned int closed = TWO_STATE_WAITERS & ~past;
	unsigned int new;
	int word = atomic_read(&l->word);

	do {
		new = word + 1;
		if (unlikely((word ^ want) & (TWO_STATE_STATE | closed))) {
			if (word & (TWO_STATE_COUNT | closed))
				return false;
			new = ((word & ~TWO_STATE_STATE) | want) + 1;
		}
	} while (!atomic_try_cmpxchg_acquire(&l->word, &word, new));
	return true;
}

static __always_inline void __two_state_leave(struct two_state_lock *l)
{
	unsigned int word = atomic_dec_return(&l->word);

	/* Released twice?  Lockdep cannot tell where it is disowned. */
	if (IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC))
		WARN_ON_ONCE((word & TWO_STATE_COUNT) == TWO_STATE_COUNT);

	if (unlikely(!(word & TWO_STATE_COUNT) && (word & TWO_STATE_WAITERS)))
		__two_state_unlock(l);
}

/**
 * two_state_lock_nested - take the lock
 * @l: the lock
 * @state: 0 or 1
 * @subclass: for lockdep, when a task takes the locks of several objects
 *
 * Waits until nobody holds it in the other state.  Not recursive, not even in the
 * same state: somebody may wait in between.
 *
 * Context: process; sleeps.
 */
static inline void two_state_lock_nested(struct two_state_lock *l,
		unsigned int state, unsigned int subclass)
{
	might_sleep();
	rwsem_acquire_read(&l->dep_map, subclass, 0, _RET_IP_);
	if (!__two_state_enter(l, state, 0))
		__two_state_lock(l, state);
}

static inline void two_state_lock(struct two_state_lock *l, unsigned int state)
{
	two_state_lock_nested(l, state, 0);
}

/**
 * two_state_unlock - release the lock
 * @l: the lock, taken by this task and not disowned
 *
 * Context: any.
 */
static inline void two_state_unlock(struct two_state_lock *l)
{
	rwsem_release(&l->dep_map, _RET_IP_);
	__two_state_leave(l);
}

/* Of the moment, as long as the caller keeps others from taking the lock. */
static inline bool two_state_is_idle(struct two_state_lock *l)
{
	return !(atomic_read_acquire(&l->word) & TWO_STATE_COUNT);
}

/* Is somebody in @state? */
static inline bool two_state_is_held(struct two_state_lock *l,
		unsigned int state)
{
	unsigned int word = atomic_read(&l->word);

	return (word & TWO_STATE_COUNT) && !!(word & TWO_STATE_STATE) == state;
}

/*
 * A bit for the user of the lock, which the lock does not look at.  Whoever sets it
 * orders that against others by a lock of its own.
 */
static inline void two_state_set_flag(struct two_state_lock *l)
{
	atomic_or(TWO_STATE_FLAG, &l->word);
}

static inline void two_state_clear_flag(struct two_state_lock *l)
{
	atomic_andnot(TWO_STATE_FLAG, &l->word);
}

static inline bool two_state_test_flag(struct two_state_lock *l)
{
	return atomic_read(&l->word) & TWO_STATE_FLAG;
}

#endif /* _LINUX_TWO_STATE_LOCK_H */
