/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A lock that many may hold, all in one of two states: see lib/two_state_lock.c.
 */
#ifndef _LINUX_TWO_STATE_LOCK_H
#define _LINUX_TWO_STATE_LOCK_H

#include <linux/atomic.h>
#include <linux/bits.h>
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

void two_state_lock_nested(struct two_state_lock *l, unsigned int state,
		unsigned int subclass);
bool two_state_trylock(struct two_state_lock *l, unsigned int state);
void two_state_unlock(struct two_state_lock *l);
void two_state_disown(struct two_state_lock *l);
void two_state_unlock_disowned(struct two_state_lock *l);
void two_state_wait_idle(struct two_state_lock *l);

static inline void two_state_lock(struct two_state_lock *l, unsigned int state)
{
	two_state_lock_nested(l, state, 0);
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
