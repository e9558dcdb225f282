// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the two-state lock.
 *
 * Some go step by step: each thread takes the lock once, and the test knows from
 * the lock's own queue who waits, before it goes on.  A grant is complete when the
 * release that gave it returns, so nothing here waits to see that nothing happens.
 * Others let a crowd loose on the lock, and look for clashes.
 *
 * A bound is counted in grants.  Time is limited only so that a lock that forgets a
 * waiter fails its test, and does not hang it; such a thread keeps its memory.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/two_state_lock.h>

#define IDLE		2	/* beside the states: waits for idle */
#define LIMIT		(30 * HZ)
#define PLAYERS		8
#define CROWD_ROUNDS	600
#define STREAMS		4
#define STREAM_WAITERS	20
/* Streams end by themselves after that many grants if they shut a waiter out. */
#define STREAM_GRANTS	1000

struct game;

struct player {
	struct game		*game;
	unsigned int		wants;
	int			before;		/* grants before its own */
	struct completion	entered;
	struct completion	leave;
	struct completion	left;
	struct rnd_state	rnd;

	/* Its I/O, which ends in an interrupt */
	struct hrtimer		io;
	unsigned int		io_state;
	struct completion	io_ended;
};

struct game {
	struct two_state_lock	lock;
	struct rw_semaphore	outer;
	bool			has_outer;
	bool			stop;
	atomic_t		inside[2];
	atomic_t		grants;
	atomic_t		clashes;
	atomic_t		contended;
	atomic_t		in_irq;
	bool			irq_trylock;
	unsigned int		nr_players;
	struct player		players[STREAMS + STREAM_WAITERS];
};

static unsigned int param(struct kunit *test)
{
	return *(const unsigned int *)test->param_value;
}

static void enter(struct game *g, unsigned int state)
{
	/* A full barrier: of two that clash, one sees the other. */
	atomic_inc_return(&g->inside[state]);
	if (atomic_read(&g->inside[!state]))
		atomic_inc(&g->clashes);
	atomic_inc(&g->grants);
}

static void leave(struct game *g, unsigned int state)
{
	if (atomic_read(&g->inside[!state]))
		atomic_inc(&g->clashes);
	atomic_dec(&g->inside[state]);
}

static unsigned int queued(struct game *g)
{
	unsigned long flags;
	unsigned int n;

	spin_lock_irqsave(&g->lock.lock, flags);
	n = list_count_nodes(&g->lock.waiters);
	spin_unlock_irqrestore(&g->lock.lock, flags);
	return n;
}

static bool in_time(struct completion *done)
{
	return wait_for_completion_timeout(done, LIMIT);
}

static enum hrtimer_restart io_ends(struct hrtimer *timer)
{
	struct player *p = container_of(timer, struct player, io);
	struct game *g = p->game;

	if (in_hardirq())
		atomic_inc(&g->in_irq);
	leave(g, p->io_state);
	two_state_unlock_disowned(&g->lock);
	complete(&p->io_ended);
	return HRTIMER_NORESTART;
}

/* Leave it to an interrupt to release the lock. */
static void start_io(struct player *p, unsigned int state, unsigned int usecs)
{
	p->io_state = state;
	two_state_disown(&p->game->lock);
	hrtimer_start(&p->io, ns_to_ktime(usecs * NSEC_PER_USEC), HRTIMER_MODE_REL_HARD);
}

static int once(void *data)
{
	struct player *p = data;
	struct game *g = p->game;

	if (p->wants == IDLE) {
		two_state_wait_idle(&g->lock);
		p->before = atomic_read(&g->grants);
		complete_all(&p->entered);
	} else {
		two_state_lock(&g->lock, p->wants);
		p->before = atomic_read(&g->grants);
		enter(g, p->wants);
		complete_all(&p->entered);
		wait_for_completion(&p->leave);
		leave(g, p->wants);
		two_state_unlock(&g->lock);
	}
	complete_all(&p->left);
	return 0;
}

static struct player *start(struct kunit *test, int (*fn)(void *data),
		unsigned int wants)
{
	struct game *g = test->priv;
	struct player *p = &g->players[g->nr_players];
	struct task_struct *task;

	KUNIT_ASSERT_LT(test, g->nr_players, ARRAY_SIZE(g->players));
	p->game = g;
	p->wants = wants;
	init_completion(&p->entered);
	init_completion(&p->leave);
	init_completion(&p->left);
	init_completion(&p->io_ended);
	complete(&p->io_ended);
	hrtimer_init(&p->io, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	p->io.function = io_ends;
	prandom_seed_state(&p->rnd, g->nr_players + 1);
	task = kthread_run(fn, p, "two-state/%u", g->nr_players);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	g->nr_players++;
	return p;
}

/* Start one that cannot have the lock now. */
static struct player *queue(struct kunit *test, unsigned int wants)
{
	struct game *g = test->priv;
	unsigned int before = queued(g);
	struct player *p = start(test, once, wants);
	unsigned long end = jiffies + LIMIT;

	while (queued(g) == before && !completion_done(&p->entered) &&
	       time_before(jiffies, end))
		usleep_range(50, 100);
	KUNIT_EXPECT_EQ(test, queued(g), before + 1);
	return p;
}

#define EXPECT_ENTERED(test, p)	KUNIT_EXPECT_TRUE(test, in_time(&(p)->entered))

/* The release has returned, and what it grants is granted. */
static void leave_and_wait(struct kunit *test, struct player *p)
{
	complete(&p->leave);
	KUNIT_EXPECT_TRUE(test, in_time(&p->left));
}

static void expect_unused(struct kunit *test)
{
	struct game *g = test->priv;

	KUNIT_EXPECT_TRUE(test, two_state_is_idle(&g->lock));
	KUNIT_EXPECT_FALSE(test, two_state_is_held(&g->lock, 0));
	KUNIT_EXPECT_FALSE(test, two_state_is_held(&g->lock, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&g->lock.word) & ~TWO_STATE_STATE, 0);
	KUNIT_EXPECT_EQ(test, queued(g), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&g->clashes), 0);
}

/* --- Step by step ---------------------------------------------------------- */

static void shares_a_state(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *p[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = start(test, once, state);
		EXPECT_ENTERED(test, p[i]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&g->inside[state]), 3);
	KUNIT_EXPECT_TRUE(test, two_state_is_held(&g->lock, state));
	KUNIT_EXPECT_FALSE(test, two_state_is_held(&g->lock, !state));
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		KUNIT_EXPECT_FALSE(test, two_state_is_idle(&g->lock));
		leave_and_wait(test, p[i]);
	}
	expect_unused(test);
}

static void excludes_the_other(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *first, *p;

	two_state_lock(&g->lock, state);
	first = start(test, once, state);
	EXPECT_ENTERED(test, first);
	p = queue(test, !state);
	two_state_unlock(&g->lock);
	/* One holder is left. */
	KUNIT_EXPECT_EQ(test, queued(g), 1);
	leave_and_wait(test, first);
	KUNIT_EXPECT_EQ(test, queued(g), 0);
	EXPECT_ENTERED(test, p);
	KUNIT_EXPECT_TRUE(test, two_state_is_held(&g->lock, !state));
	KUNIT_EXPECT_FALSE(test, two_state_is_held(&g->lock, state));
	leave_and_wait(test, p);
	expect_unused(test);
}

static void expect_trylock(struct kunit *test, unsigned int state, bool expected)
{
	struct game *g = test->priv;
	bool taken = two_state_trylock(&g->lock, state);

	KUNIT_EXPECT_EQ(test, taken, expected);
	if (taken)
		two_state_unlock(&g->lock);
}

static void tries(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *p;

	expect_trylock(test, !state, true);
	expect_trylock(test, state, true);
	KUNIT_EXPECT_TRUE(test, two_state_trylock(&g->lock, state));
	KUNIT_EXPECT_TRUE(test, two_state_is_held(&g->lock, state));
	expect_trylock(test, !state, false);
	expect_trylock(test, state, true);

	/* Somebody waits, for the other state and then for idle. */
	p = queue(test, !state);
	expect_trylock(test, state, false);
	expect_trylock(test, !state, false);
	two_state_unlock(&g->lock);
	EXPECT_ENTERED(test, p);
	expect_trylock(test, state, false);
	expect_trylock(test, !state, true);
	queue(test, IDLE);
	expect_trylock(test, !state, false);
	leave_and_wait(test, p);
	expect_trylock(test, state, true);
	expect_trylock(test, !state, true);
	expect_unused(test);
}

/*
 * The longest that anybody can wait: for the other state behind holders and one
 * round, for idle behind holders and two.
 */
static void goes_round(struct kunit *test)
{
	unsigned int state = param(test);
	struct player *other, *same, *idle, *other2, *same2, *idle2, *late;
	struct game *g = test->priv;

	two_state_lock(&g->lock, state);
	other = queue(test, !state);
	same = queue(test, state);
	idle = queue(test, IDLE);
	other2 = queue(test, !state);
	same2 = queue(test, state);
	idle2 = queue(test, IDLE);

	two_state_unlock(&g->lock);
	EXPECT_ENTERED(test, other);
	EXPECT_ENTERED(test, other2);
	KUNIT_EXPECT_EQ(test, queued(g), 4);
	/* Not into the round that goes on. */
	late = queue(test, !state);

	leave_and_wait(test, other);
	KUNIT_EXPECT_EQ(test, queued(g), 5);
	leave_and_wait(test, other2);
	EXPECT_ENTERED(test, same);
	EXPECT_ENTERED(test, same2);
	KUNIT_EXPECT_EQ(test, queued(g), 3);

	leave_and_wait(test, same2);
	KUNIT_EXPECT_EQ(test, queued(g), 3);
	leave_and_wait(test, same);
	EXPECT_ENTERED(test, idle);
	EXPECT_ENTERED(test, idle2);
	EXPECT_ENTERED(test, late);
	KUNIT_EXPECT_EQ(test, queued(g), 0);
	/* The queue is empty, and the way in open. */
	expect_trylock(test, !state, true);
	leave_and_wait(test, late);
	expect_unused(test);
}

static void waits_for_idle(struct kunit *test)
{
	unsigned int state = param(test);
	struct player *p, *p2, *idle, *idle2, *same;
	struct game *g = test->priv;

	/* Nobody is there. */
	EXPECT_ENTERED(test, start(test, once, IDLE));

	/* Two are, and one comes later. */
	p = start(test, once, state);
	EXPECT_ENTERED(test, p);
	p2 = start(test, once, state);
	EXPECT_ENTERED(test, p2);
	idle = queue(test, IDLE);
	idle2 = queue(test, IDLE);
	same = queue(test, state);
	leave_and_wait(test, p);
	KUNIT_EXPECT_EQ(test, queued(g), 3);
	leave_and_wait(test, p2);
	EXPECT_ENTERED(test, idle);
	EXPECT_ENTERED(test, idle2);
	EXPECT_ENTERED(test, same);

	/* Nobody queues for a state. */
	idle = queue(test, IDLE);
	leave_and_wait(test, same);
	EXPECT_ENTERED(test, idle);
	expect_unused(test);
}

static int release(void *data)
{
	struct player *p = data;

	two_state_unlock_disowned(&p->game->lock);
	complete_all(&p->left);
	return 0;
}

static void another_task_releases(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *p;

	two_state_lock(&g->lock, state);
	two_state_disown(&g->lock);
	KUNIT_EXPECT_TRUE(test, two_state_is_held(&g->lock, state));
	p = queue(test, !state);
	KUNIT_EXPECT_TRUE(test, in_time(&start(test, release, 0)->left));
	EXPECT_ENTERED(test, p);
	leave_and_wait(test, p);
	expect_unused(test);
}

static enum hrtimer_restart tries_in_irq(struct hrtimer *timer)
{
	struct player *p = container_of(timer, struct player, io);
	struct game *g = p->game;

	g->irq_trylock = two_state_trylock(&g->lock, p->io_state);
	if (g->irq_trylock)
		two_state_unlock(&g->lock);
	complete(&p->io_ended);
	return HRTIMER_NORESTART;
}

static void an_interrupt_releases(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *p;

	two_state_lock(&g->lock, state);
	enter(g, state);
	p = queue(test, !state);
	reinit_completion(&p->io_ended);
	start_io(p, state, 100);
	KUNIT_EXPECT_TRUE(test, in_time(&p->io_ended));
	KUNIT_EXPECT_EQ(test, atomic_read(&g->in_irq), 1);
	EXPECT_ENTERED(test, p);

	p->io.function = tries_in_irq;
	p->io_state = !state;
	hrtimer_start(&p->io, ns_to_ktime(100 * NSEC_PER_USEC), HRTIMER_MODE_REL_HARD);
	KUNIT_EXPECT_TRUE(test, in_time(&p->io_ended));
	KUNIT_EXPECT_TRUE(test, g->irq_trylock);
	leave_and_wait(test, p);
	expect_unused(test);
}

static void leaves_the_flag(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *p, *idle;

	two_state_set_flag(&g->lock);
	KUNIT_EXPECT_TRUE(test, two_state_is_idle(&g->lock));
	KUNIT_EXPECT_FALSE(test, two_state_is_held(&g->lock, state));
	EXPECT_ENTERED(test, start(test, once, IDLE));
	expect_trylock(test, !state, true);
	two_state_lock(&g->lock, state);
	expect_trylock(test, !state, false);
	KUNIT_EXPECT_TRUE(test, two_state_test_flag(&g->lock));
	p = queue(test, !state);
	idle = queue(test, IDLE);
	KUNIT_EXPECT_TRUE(test, two_state_test_flag(&g->lock));
	two_state_unlock(&g->lock);
	EXPECT_ENTERED(test, p);
	KUNIT_EXPECT_TRUE(test, two_state_test_flag(&g->lock));
	two_state_clear_flag(&g->lock);
	KUNIT_EXPECT_FALSE(test, two_state_test_flag(&g->lock));
	/* The one that is in and the one that waits are still there. */
	KUNIT_EXPECT_TRUE(test, two_state_is_held(&g->lock, !state));
	expect_trylock(test, !state, false);
	two_state_set_flag(&g->lock);
	leave_and_wait(test, p);
	EXPECT_ENTERED(test, idle);
	KUNIT_EXPECT_TRUE(test, two_state_test_flag(&g->lock));
	two_state_clear_flag(&g->lock);
	expect_unused(test);
}

/*
 * As if a waiter had closed the way in and been served by the time that the next
 * one, or the last to leave, gets to the queue.
 */
static void finds_nobody(struct kunit *test)
{
	unsigned int state = param(test);
	struct game *g = test->priv;
	struct player *p, *same, *other;

	atomic_or(TWO_STATE_WAITERS, &g->lock.word);
	p = start(test, once, state);
	EXPECT_ENTERED(test, p);
	expect_trylock(test, state, true);

	atomic_or(TWO_STATE_WAITERS, &g->lock.word);
	same = start(test, once, state);
	EXPECT_ENTERED(test, same);
	expect_trylock(test, state, true);

	atomic_or(TWO_STATE_WAITERS, &g->lock.word);
	other = queue(test, !state);
	leave_and_wait(test, same);
	leave_and_wait(test, p);
	EXPECT_ENTERED(test, other);

	atomic_or(TWO_STATE_WAITERS, &g->lock.word);
	leave_and_wait(test, other);
	expect_unused(test);
}

/* --- Crowds ---------------------------------------------------------------- */

static void dawdle(struct player *p)
{
	switch (prandom_u32_state(&p->rnd) % 4) {
	case 0:
		break;
	case 1:
		schedule();
		break;
	default:
		usleep_range(10, 60);
	}
}

static int stream(void *data)
{
	struct player *p = data;
	struct game *g = p->game;

	while (!READ_ONCE(g->stop) &&
	       atomic_read(&g->grants) < STREAM_GRANTS * (STREAM_WAITERS + 1)) {
		two_state_lock(&g->lock, p->wants);
		enter(g, p->wants);
		dawdle(p);
		leave(g, p->wants);
		two_state_unlock(&g->lock);
		cond_resched();
	}
	complete_all(&p->left);
	return 0;
}

/*
 * Holders of one state come all the time.  Who queues for the other gets the lock
 * when those have left who were in it.
 */
static void outlasts_a_stream(struct kunit *test)
{
	unsigned int state = param(test);
	struct player *streams[STREAMS], *p;
	struct game *g = test->priv;
	int i, now, most = 0;

	for (i = 0; i < STREAMS; i++)
		streams[i] = start(test, stream, state);
	for (i = 0; i < STREAM_WAITERS; i++) {
		bool for_idle = i % 2;
		unsigned long end = jiffies + LIMIT;

		two_state_lock(&g->lock, state);
		p = start(test, once, for_idle ? IDLE : !state);
		/* It is the first: the streams queue only when somebody waits. */
		while (!queued(g) && !completion_done(&p->entered) &&
		       time_before(jiffies, end))
			usleep_range(50, 100);
		KUNIT_EXPECT_FALSE(test, completion_done(&p->entered));
		/* Those who are in may not have been counted yet. */
		now = atomic_read(&g->grants);
		two_state_unlock(&g->lock);
		EXPECT_ENTERED(test, p);
		if (for_idle) {
			/* The next round may begin before it runs. */
			KUNIT_EXPECT_LT(test, p->before - now, STREAM_GRANTS);
		} else {
			most = max(most, p->before - now);
			KUNIT_EXPECT_LE(test, p->before - now, STREAMS);
			leave_and_wait(test, p);
		}
	}
	WRITE_ONCE(g->stop, true);
	for (i = 0; i < STREAMS; i++)
		KUNIT_EXPECT_TRUE(test, in_time(&streams[i]->left));
	kunit_info(test, "%d grants, at most %d before a waiter",
		   atomic_read(&g->grants), most);
	/* They came all the time. */
	KUNIT_EXPECT_GT(test, atomic_read(&g->grants), STREAM_WAITERS * STREAMS);
	expect_unused(test);
}

/* Hold the lock, taken by the caller, and release it in one way or another. */
static void hold(struct player *p, unsigned int state)
{
	struct game *g = p->game;

	enter(g, state);
	dawdle(p);
	if (prandom_u32_state(&p->rnd) % 2 || !try_wait_for_completion(&p->io_ended)) {
		leave(g, state);
		two_state_unlock(&g->lock);
		if (g->has_outer)
			up_read(&g->outer);
		return;
	}
	/* As direct I/O does that is not waited for. */
	start_io(p, state, prandom_u32_state(&p->rnd) % 100);
	if (g->has_outer)
		up_read(&g->outer);
}

/* Nobody but the caller can take the lock; it stays idle. */
static void use_idle(struct player *p, unsigned int state)
{
	struct game *g = p->game;

	two_state_wait_idle(&g->lock);
	if (!g->has_outer)
		return;
	if (atomic_read(&g->inside[0]) || atomic_read(&g->inside[1]))
		atomic_inc(&g->clashes);
	dawdle(p);
	if (atomic_read(&g->inside[0]) || atomic_read(&g->inside[1]) ||
	    !two_state_is_idle(&g->lock))
		atomic_inc(&g->clashes);
	if (prandom_u32_state(&p->rnd) % 2) {
		up_write(&g->outer);
		return;
	}
	/* As a write that has something to wait for first. */
	if (!two_state_trylock(&g->lock, state)) {
		atomic_inc(&g->clashes);
		up_write(&g->outer);
		return;
	}
	downgrade_write(&g->outer);
	hold(p, state);
}

static int mingle(void *data)
{
	struct player *p = data;
	struct game *g = p->game;
	int i;

	for (i = 0; i < CROWD_ROUNDS; i++) {
		u32 dice = prandom_u32_state(&p->rnd);
		unsigned int state = dice & 1;

		switch ((dice >> 1) % 8) {
		case 0:
			if (g->has_outer)
				down_write(&g->outer);
			use_idle(p, state);
			break;
		case 1:
			if (g->has_outer && !down_read_trylock(&g->outer))
				break;
			if (two_state_trylock(&g->lock, state)) {
				hold(p, state);
				break;
			}
			atomic_inc(&g->contended);
			if (g->has_outer)
				up_read(&g->outer);
			break;
		default:
			if (g->has_outer)
				down_read(&g->outer);
			two_state_lock(&g->lock, state);
			hold(p, state);
		}
		cond_resched();
	}
	wait_for_completion(&p->io_ended);
	complete_all(&p->left);
	return 0;
}

static void serves_a_crowd(struct kunit *test)
{
	struct game *g = test->priv;
	int i;

	g->has_outer = param(test);
	for (i = 0; i < PLAYERS; i++)
		start(test, mingle, 0);
	for (i = 0; i < PLAYERS; i++)
		KUNIT_EXPECT_TRUE(test, in_time(&g->players[i].left));
	kunit_info(test, "%d grants, %d found it taken, %d released by interrupts",
		   atomic_read(&g->grants), atomic_read(&g->contended),
		   atomic_read(&g->in_irq));
	KUNIT_EXPECT_GT(test, atomic_read(&g->grants), PLAYERS * CROWD_ROUNDS / 2);
	KUNIT_EXPECT_GT(test, atomic_read(&g->contended), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&g->in_irq), 0);
	expect_unused(test);
}

/* --------------------------------------------------------------------------- */

static const unsigned int zero_and_one[] = { 0, 1 };

static void describe_state(const unsigned int *state, char *text)
{
	snprintf(text, KUNIT_PARAM_DESC_SIZE, "state %u", *state);
}

static void describe_outer(const unsigned int *outer, char *text)
{
	strscpy(text, *outer ? "under another lock" : "alone", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(states, zero_and_one, describe_state);
KUNIT_ARRAY_PARAM(outer, zero_and_one, describe_outer);

static int two_state_test_init(struct kunit *test)
{
	struct game *g = kzalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return -ENOMEM;
	two_state_lock_init(&g->lock);
	init_rwsem(&g->outer);
	test->priv = g;
	return 0;
}

static void two_state_test_exit(struct kunit *test)
{
	struct game *g = test->priv;
	int i;

	if (!g)
		return;
	/* After a failure some may still be there. */
	WRITE_ONCE(g->stop, true);
	for (i = 0; i < g->nr_players; i++)
		complete_all(&g->players[i].leave);
	for (i = 0; i < g->nr_players; i++) {
		if (!in_time(&g->players[i].left)) {
			kunit_err(test, "thread %d is stuck", i);
			return;
		}
		hrtimer_cancel(&g->players[i].io);
	}
	kfree(g);
}

static struct kunit_case two_state_cases[] = {
	KUNIT_CASE_PARAM(shares_a_state, states_gen_params),
	KUNIT_CASE_PARAM(excludes_the_other, states_gen_params),
	KUNIT_CASE_PARAM(tries, states_gen_params),
	KUNIT_CASE_PARAM(goes_round, states_gen_params),
	KUNIT_CASE_PARAM(waits_for_idle, states_gen_params),
	KUNIT_CASE_PARAM(another_task_releases, states_gen_params),
	KUNIT_CASE_PARAM(an_interrupt_releases, states_gen_params),
	KUNIT_CASE_PARAM(leaves_the_flag, states_gen_params),
	KUNIT_CASE_PARAM(finds_nobody, states_gen_params),
	KUNIT_CASE_PARAM(outlasts_a_stream, states_gen_params),
	KUNIT_CASE_PARAM(serves_a_crowd, outer_gen_params),
	{}
};

static struct kunit_suite two_state_suite = {
	.name = "two_state_lock",
	.init = two_state_test_init,
	.exit = two_state_test_exit,
	.test_cases = two_state_cases,
};

kunit_test_suite(two_state_suite);

MODULE_DESCRIPTION("Tests of the two-state lock");
MODULE_LICENSE("GPL");
