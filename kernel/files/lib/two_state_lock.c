// SPDX-License-Identifier: GPL-2.0
/*
 * A lock that many may hold, all in one of two states.
 *
 * Holders in one state share it and shut out those who want the other.  A
 * filesystem takes it for buffered I/O in one state and for direct I/O in the
 * other, and waits until there is none before it takes blocks away.
 *
 * All there is to know about the holders is in one word, so that who finds the lock
 * free or in the right state takes it with one atomic operation, and so does who
 * leaves it.  While somebody waits (TWO_STATE_WAITERS) that way in is closed to all,
 * also to those who want the state that it is in: they queue.  That is what bounds
 * a wait.  The last holder to leave passes the lock on to the one who has waited
 * longest, and with it to all others who wait for the same state at that moment.
 *
 *	A waits.  In front of it are the holders of now; it cannot be more of them.
 *	When the last of them has left, the lock goes to the first in the queue.
 *	Either it wants what A wants, and A gets it too; or it wants the other state,
 *	and then all who want that get it at once and the queue in front of A has only
 *	those who want what A wants.  So A waits for two rounds of holders at most,
 *	whatever comes behind it.
 *
 * Who waits for idle is passed over by a round that goes to others behind it, but is
 * woken between two rounds once it is the first: after two of them at most.
 *
 * The bit is set and cleared, the queue changed and the lock passed on with @lock held.
 * Nobody enters while the bit is set, so once the count is 0 then, it stays 0 until the
 * lock is passed on.  Who leaves last and sees the bit passes it on; who queues looks
 * at the count after it has set the bit.  Both are full barriers, so one of them sees
 * what the other has done, and no waiter is forgotten.
 *
 * The lock may be released by another task than the one that took it, and in any
 * context: I/O that was submitted ends so.  The memory of the lock must stay until
 * the release has returned, also where somebody waits for idle: the last to leave
 * may still be busy with the queue then.
 */
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/two_state_lock.h>

/* What a waiter waits for; 0 and 1 are the states. */
#define TWO_STATE_IDLE		2

struct two_state_waiter {
	struct list_head	entry;
	struct task_struct	*task;
	unsigned int		wants;
	bool			granted;
};

void __two_state_lock_init(struct two_state_lock *l, const char *name,
		struct lock_class_key *key)
{
	atomic_set(&l->word, 0);
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->waiters);
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	debug_check_no_locks_freed(l, sizeof(*l));
	lockdep_init_map_wait(&l->dep_map, name, key, 0, LD_WAIT_SLEEP);
#endif
}
EXPORT_SYMBOL_GPL(__two_state_lock_init);

/*
 * The waiter takes @lock once more when it sees this, so it is there until it has been
 * woken.  A wake-up that came later would end another wait of its task.
 */
static void two_state_grant(struct two_state_waiter *w)
{
	list_del(&w->entry);
	/* Pairs with two_state_wait(): the lock is the waiter's after it. */
	smp_store_release(&w->granted, true);
	wake_up_process(w->task);
}

/* Nobody holds the lock, and nobody can enter: the next round. */
static void two_state_pass_on(struct two_state_lock *l)
{
	struct two_state_waiter *w, *next;
	unsigned int state;
	unsigned int n = 0;
	LIST_HEAD(round);

	lockdep_assert_held(&l->lock);

	while ((w = list_first_entry_or_null(&l->waiters,
			struct two_state_waiter, entry)) &&
	       w->wants == TWO_STATE_IDLE)
		list_move_tail(&w->entry, &round);

	if (w) {
		state = w->wants;
		list_for_each_entry_safe(w, next, &l->waiters, entry) {
			if (w->wants != state)
				continue;
			list_move_tail(&w->entry, &round);
			n++;
		}

		/* Before the first can leave again; nobody else changes these. */
		if (state)
			atomic_or(TWO_STATE_STATE, &l->word);
		else
			atomic_andnot(TWO_STATE_STATE, &l->word);
		atomic_add(n, &l->word);
	}

	/* Before those who are let in can find it closed though nobody waits. */
	if (list_empty(&l->waiters))
		atomic_andnot(TWO_STATE_WAITERS, &l->word);

	list_for_each_entry_safe(w, next, &round, entry)
		two_state_grant(w);
}

/* The last holder has left, and somebody waits or did. */
void __two_state_unlock(struct two_state_lock *l)
{
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	/* Who has queued meanwhile may have found it free and passed it on. */
	if (two_state_is_idle(l))
		two_state_pass_on(l);
	spin_unlock_irqrestore(&l->lock, flags);
}
EXPORT_SYMBOL_GPL(__two_state_unlock);

static void two_state_wait(struct two_state_lock *l, unsigned int wants)
{
	struct two_state_waiter w = {
		.task	= current,
		.wants	= wants,
	};
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	/* A full barrier, as the decrement of who leaves: see above. */
	atomic_fetch_or(TWO_STATE_WAITERS, &l->word);
	list_add_tail(&w.entry, &l->waiters);
	if (two_state_is_idle(l)) {
		two_state_pass_on(l);
	} else if (list_is_singular(&l->waiters) && wants != TWO_STATE_IDLE &&
		 __two_state_enter(l, wants, TWO_STATE_WAITERS)) {
		/* It is in the right state by now, and nobody was here before. */
		list_del(&w.entry);
		atomic_andnot(TWO_STATE_WAITERS, &l->word);
		w.granted = true;
	}
	spin_unlock_irqrestore(&l->lock, flags);

	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* Pairs with two_state_grant(). */
		if (smp_load_acquire(&w.granted))
			break;
		io_schedule();
	}
	__set_current_state(TASK_RUNNING);

	/* two_state_grant() may still be about to wake this task. */
	spin_lock_irqsave(&l->lock, flags);
	spin_unlock_irqrestore(&l->lock, flags);
}

void __two_state_lock(struct two_state_lock *l, unsigned int state)
{
	two_state_wait(l, state);
}
EXPORT_SYMBOL_GPL(__two_state_lock);

/**
 * two_state_trylock - take the lock if that needs no wait
 * @l: the lock
 * @state: 0 or 1
 *
 * Context: any.
 * Return: whether it was taken.  Not if somebody waits for it, whatever its state.
 */
bool two_state_trylock(struct two_state_lock *l, unsigned int state)
{
	if (!__two_state_enter(l, state, 0))
		return false;
	rwsem_acquire_read(&l->dep_map, 0, 1, _RET_IP_);
	return true;
}
EXPORT_SYMBOL_GPL(two_state_trylock);

/**
 * two_state_disown - another context will release the lock
 * @l: the lock, taken by this task
 *
 * To be called while the release cannot have happened yet, or the memory of the lock
 * may be gone.  For lockdep alone; the lock stays held.
 */
void two_state_disown(struct two_state_lock *l)
{
	rwsem_release(&l->dep_map, _RET_IP_);
}
EXPORT_SYMBOL_GPL(two_state_disown);

/**
 * two_state_unlock_disowned - release a lock that its task has disowned
 * @l: the lock
 *
 * Context: any, also interrupts.
 */
void two_state_unlock_disowned(struct two_state_lock *l)
{
	__two_state_leave(l);
}
EXPORT_SYMBOL_GPL(two_state_unlock_disowned);

/**
 * two_state_wait_idle - wait until nobody holds the lock
 * @l: the lock
 *
 * The caller holds another lock that everybody takes before this one, and so it is
 * still idle on return.  For the same reason those it waits for have all got past
 * that lock, which lockdep cannot know: it is told only that the caller itself must
 * not be one of them.
 *
 * Context: process; sleeps.
 */
void two_state_wait_idle(struct two_state_lock *l)
{
	might_sleep();
	lockdep_assert_not_held(l);
	if (!two_state_is_idle(l))
		two_state_wait(l, TWO_STATE_IDLE);
}
EXPORT_SYMBOL_GPL(two_state_wait_idle);
