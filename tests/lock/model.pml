/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of the kernel's lib/two_state_lock.c for spin(1); the test "model" runs it.
 *
 * N tasks take the lock OPS times each, for a state or to wait for idle as they like;
 * with IDLERS that many wait for idle, once, and the others do not.  What the code does
 * to the word of the lock in one atomic operation is one step here.  The steps of
 * different tasks come in any order.
 *
 * With OUTER who waits for idle keeps the others out by a lock of their own, as a
 * filesystem does; they drop it before or after they leave this one.
 *
 * What must hold is asserted; a waiter that is forgotten is a deadlock.  STATE_ROUNDS and
 * IDLE_ROUNDS are how many rounds may go to others while a task is queued, on top of those
 * who are inside when it queues.
 *
 * Of the other names that #ifdef asks for each breaks the lock in one way.
 */
#ifndef N
#define N	3
#endif
#ifndef OPS
#define OPS	2
#endif
#define IDLE	2		/* beside the states 0 and 1 */
#ifdef IDLERS
#define MAY(what)	((me < IDLERS) == (what == IDLE))
#else
#define IDLERS		0
#define MAY(what)	true
#endif
#ifndef STATE_ROUNDS
#define STATE_ROUNDS	1
#endif
#ifndef IDLE_ROUNDS
#define IDLE_ROUNDS	2
#endif
#define ROUNDS(what)	(what == IDLE -> IDLE_ROUNDS : STATE_ROUNDS)

/* The word */
byte count;
byte state;
bool waiters;

/* The queue, under its spinlock */
bool locked;
byte queue[N];
byte length;
byte wants[N];
bool granted[N];

/* The outer lock */
byte readers;
bool writer;

/* Who is inside; how many rounds and tasks came before each that is queued */
byte inside[2];
byte rounds[N];
byte passed[N];
byte done;

inline come_in(s)
{
	inside[s]++;
	assert(inside[1 - s] == 0)
}

/* So many have come in before those who are queued. */
inline overtake(tasks, new_rounds)
{
	k = 0;
	do
	:: k < length ->
		w = queue[k];
		rounds[w] = rounds[w] + new_rounds;
		passed[w] = passed[w] + tasks;
		assert(rounds[w] <= ROUNDS(wants[w]));
		/* In a round each of the others comes in once. */
		assert(passed[w] <= (N - 1) * ROUNDS(wants[w]));
		k++
	:: else -> break
	od;
	k = 0;
	w = 0
}

#ifdef JOIN
#define CLOSED	(waiters && count == 0)
#else
#define CLOSED	waiters
#endif

/* The compare-and-exchange; whether it was done. */
inline enter(s, closed)
{
	d_step {
		if
		:: !(closed) && (count == 0 || state == s) ->
			count++;
			state = s;
			came = true
		:: else -> came = false
		fi
	}
}

inline add_to_word()
{
	if
	:: turn != IDLE ->
		state = turn;
		count = count + n
	:: else
	fi
}

inline open()
{
	if
	:: length == 0 -> waiters = false
	:: else
	fi
}

inline pass_on()
{
	/* Who is to be granted it; nobody else looks at the queue meanwhile. */
	d_step {
		round = 0;
		n = 0;
		kept = 0;
		turn = IDLE;
		k = 0;
		do
		:: k < length ->
			w = queue[k];
			if
			:: turn == IDLE && wants[w] != IDLE -> turn = wants[w]
			:: else
			fi;
			if
#ifdef ONE_BY_ONE
			:: wants[w] == turn && (turn == IDLE || n == 0) ->
#else
			:: wants[w] == turn ->
#endif
				round = round | (1 << w);
				n = n + (turn != IDLE)
			:: else ->
				queue[kept] = w;
				kept++
			fi;
			k++
		:: else -> break
		od;
		k = kept;
		do
		:: k < length -> queue[k] = 0; k++
		:: else -> break
		od;
		length = kept;
		kept = 0;
		w = 0;
		if
		:: turn != IDLE -> overtake(n, 1)
		:: else
		fi;
		k = 0
	}
#ifndef COUNT_LATE
	add_to_word();
#endif
#ifdef OPEN_EARLY
	waiters = false;
#elif !defined OPEN_LATE
	open();
#endif
	do
	:: k < N ->
		if
		:: round & (1 << k) -> granted[k] = true
		:: else
		fi;
		k++
	:: else -> break
	od;
#ifdef COUNT_LATE
	add_to_word();
#endif
#ifdef OPEN_LATE
	open();
#endif
	atomic { k = 0; round = 0; n = 0; turn = 0 }
}

inline wait(what)
{
	atomic { !locked -> locked = true };
	waiters = true;
	d_step {
		wants[me] = what;
		queue[length] = me;
		length++
	}
#ifdef NO_RECHECK
	is_idle = false;
#else
	is_idle = (count == 0);
#endif
	if
	:: is_idle -> pass_on()
	:: !is_idle && length == 1 && what != IDLE ->
		enter(what, false);
		if
		:: came ->
			d_step { queue[0] = 0; length = 0 }
			waiters = false;
			granted[me] = true
		:: else
		fi
	:: else
	fi;
	atomic { is_idle = false; came = false };
	locked = false;
	atomic {
		granted[me] ->
		granted[me] = false;
		wants[me] = 0;
		rounds[me] = 0;
		passed[me] = 0;
		if
		:: what != IDLE -> come_in(what)
		:: else
		fi
	}
}

inline lock(s)
{
	atomic {
		enter(s, CLOSED);
		if
		:: came ->
			came = false;
			come_in(s);
			overtake(1, 0);
			goto taken
		:: else
		fi
	}
	wait(s);
taken:
	skip
}

inline unlock(s)
{
	d_step {
		inside[s]--;
		count--;
		last = (count == 0 && waiters)
	}
	if
	:: last ->
		last = false;
		atomic { !locked -> locked = true };
		if
#ifdef LAST_PASSES_ON
		:: true -> pass_on()
#else
		:: count == 0 -> pass_on()
		:: else
#endif
		fi;
		locked = false
	:: else
	fi
}

inline wait_idle()
{
	if
	:: count == 0
	:: else -> wait(IDLE)
	fi
}

active [N] proctype task()
{
	byte me = _pid, ops, want, turn, round, n, kept, k, w;
	bool came, last, is_idle;

	do
	:: ops < (me < IDLERS -> 1 : OPS) ->
		ops++;
		if
		:: MAY(0) -> want = 0
		:: MAY(1) -> want = 1
		:: MAY(IDLE) -> want = IDLE
		fi;
		if
		:: want == IDLE ->
#ifdef OUTER
			atomic { !writer && readers == 0 -> writer = true };
			wait_idle();
			/* It stays so, and who only tries gets it, too. */
			assert(count == 0 && inside[0] + inside[1] == 0 && !waiters);
			writer = false
#else
			wait_idle()
#endif
		:: else ->
#ifdef OUTER
			atomic { !writer -> readers++ };
			lock(want);
			if
			:: readers--; unlock(want)
			:: unlock(want); readers--
			fi
#else
			lock(want);
			unlock(want)
#endif
		fi
	:: else -> break
	od;
	done++
}

/* At the end nobody is inside or queued, and the way in is open. */
active proctype end()
{
	done == N;
	assert(count == 0 && !waiters && length == 0)
}
